"""The command `quintet live`."""

from __future__ import annotations

from quintet.commands.arguments import HELP, Options, only_word, plain, run_folder, stop_if_wrong, whole

OPTIONS: Options = {"--port N": "the port to listen at (default: a free one)", **HELP}


def run(arguments: list[str]) -> None:
    """Serve a page that shows a run or a comparison, finished or as it grows; only this machine can open it. Ctrl-C ends it."""
    line = plain(arguments, "live RUN", OPTIONS, run.__doc__ or "")
    name, port = only_word(line, "RUN", "the folder of a run or a comparison"), whole(line, "port", 0)
    stop_if_wrong(line)
    from quintet.live.beside import require, require_folder

    require()
    folder = require_folder(run_folder(name))
    from quintet.live.serve import serve

    serve(folder, port or 0, lambda address: print(f"Live page of {folder}: {address}\nCtrl-C ends it.", flush=True))
