"""What the page's server answers. It reads files, keeps columns of numbers, and writes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from quintet.live import texts
from quintet.live.answers import search
from quintet.live.charts import chart, x_axis
from quintet.live.guard import Guard
from quintet.live.overview import overview
from quintet.live.watched import Watched, WatchedRun
from quintet.observe.history import Axis
from quintet.observe.records import Row
from quintet.observe.rollout_groups import prompt_text
from quintet.observe.safe_text import visible
from quintet.observe.tail import parsed
from quintet.report.label_curves import metrics_of

PAGE = Path(__file__).with_name("page")
STYLE = Path(__file__).parent.parent / "report" / "style.css"
FILES = {path.name: path for path in sorted(PAGE.iterdir())} | {"report.css": STYLE}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
LOOK_SECONDS = 0.5
PING_SECONDS = 15.0
GROUPS_A_PAGE = 6
SMALL_CHARTS = 12


Reply = Callable[[Watched, Request], Any]


class Asked(ValueError):
    """A question that can't be answered, in a sentence for its asker."""


def make_app(folder: Path, token: str, is_ending: Callable[[], bool] = lambda: False) -> Guard:
    """The page of the run or comparison in `folder`, for those who know the token. The folder need not exist yet.

    Streams of events end when `is_ending` says so: a server waits for its connections before it ends.
    """
    watched = Watched(folder)

    @asynccontextmanager
    async def looking(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_keep_looking(watched))
        yield
        task.cancel()

    def answering(reply: Reply) -> Callable[[Request], Any]:
        """An endpoint that says what `reply` says."""

        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(await asyncio.to_thread(reply, watched, request))
            except (Asked, FileNotFoundError) as error:
                return JSONResponse({"error": str(error)}, 404)

        return endpoint

    async def events(request: Request) -> Response:
        return StreamingResponse(_events(watched, is_ending), media_type="text/event-stream")

    replies = {"curves": curves, "step": step, "answer": answer, "search": found, "differences": differences}
    routes = [Route(f"/data/{name}", answering(reply)) for name, reply in replies.items()]
    routes += [Route("/data/events", events), Route("/{name:path}", _file)]
    return Guard(Starlette(routes=routes, lifespan=looking), token)


async def _keep_looking(watched: Watched) -> None:
    while True:
        more = await asyncio.to_thread(watched.look)
        await asyncio.sleep(0.01 if more else LOOK_SECONDS)


async def _events(watched: Watched, is_ending: Callable[[], bool]) -> AsyncIterator[str]:
    """Server-sent events: how everything stands, whenever that changed."""
    sent, silent = -1, 0.0
    while not is_ending():
        if watched.version != sent:
            sent, silent = watched.version, 0.0
            yield f"data: {json.dumps(await asyncio.to_thread(overview, watched))}\n\n"
        elif silent >= PING_SECONDS:
            silent = 0.0
            yield f"data: {json.dumps(await asyncio.to_thread(overview, watched))}\n\n"  # "no news for 4 min" is news
        await asyncio.sleep(LOOK_SECONDS)
        silent += LOOK_SECONDS


async def _file(request: Request) -> Response:
    path = FILES.get(request.path_params["name"] or "index.html")
    if path is None:
        return JSONResponse({"error": "There is no such page."}, 404)
    return FileResponse(path, media_type=TYPES[path.suffix])


# ---- answers to questions ----------------------------------------------------------------------------------------------------


def _in_peace(reply: Reply) -> Reply:
    """While it answers nothing new is read."""

    def locked(watched: Watched, request: Request) -> Any:
        with watched.lock:
            return reply(watched, request)

    return locked


@_in_peace
def curves(watched: Watched, request: Request) -> dict[str, Any]:
    """The chosen metric large, the others small, all runs in each."""
    axis = _axis(request.query_params.get("x", "steps"))
    runs = watched.compared
    if not runs:
        return {"metrics": [], "x": None, "large": None, "small": []}
    metrics = metrics_of(run.history for seeds in runs.values() for run in seeds)
    wanted = request.query_params.get("metric", "")
    chosen = next((m for m in metrics if m.key == wanted), metrics[0] if metrics else None)
    return {
        "metrics": [[visible(metric.key), visible(metric.title)] for metric in metrics],
        "x": x_axis(runs, axis),
        "large": chart(runs, chosen, axis, large=True) if chosen else None,
        "small": [chart(runs, metric, axis, large=False) for metric in metrics[:SMALL_CHARTS]],
    }


@_in_peace
def step(watched: Watched, request: Request) -> dict[str, Any]:
    """A page of a step's prompts; the nearest step with answers where the one asked for has none."""
    run = _run(watched, request.query_params.get("run", ""))
    asked = request.query_params.get("step", "")
    newest = run.answers.steps[-1] if run.answers.steps else None
    at = newest if asked in ("", "last") else run.answers.nearest(_whole(asked))
    if at is None:
        raise Asked(_no_answers(run))
    before, after = run.answers.beside(at)
    page = texts.groups(run.answers.of_step(at), _whole(request.query_params.get("start", "0")), GROUPS_A_PAGE)
    return {"step": at, "before": before, "after": after, "last": newest, **page}


@_in_peace
def answer(watched: Watched, request: Request) -> dict[str, Any]:
    """The whole text of one answer, or of its prompt."""
    run = _run(watched, request.query_params.get("run", ""))
    try:
        row = run.answers.one(_whole(request.query_params.get("at", "")))
    except ValueError as error:
        raise Asked(str(error)) from error
    what = prompt_text(row.get("prompt")) if request.query_params.get("what") == "prompt" else row.get("text")
    return texts.cut(what, texts.MOST_WHOLE)


def found(watched: Watched, request: Request) -> dict[str, Any]:
    """Answers of all steps that hold a text."""
    run, wanted = _run(watched, request.query_params.get("run", "")), request.query_params.get("text", "")
    if not wanted:
        raise Asked("Nothing to search for.")
    rows, further = search(run.answers.path, wanted, _whole(request.query_params.get("from", "0")))
    size = run.answers.path.stat().st_size if rows or further else 0
    hits = [{**texts.prompt(row), **texts.answer(row), **_around(row, wanted)} for row in rows]
    return {"hits": hits, "next": further, "searched": (further or size) / size if size else 1.0}


@_in_peace
def differences(watched: Watched, request: Request) -> dict[str, Any]:
    """Two moments of one run or of two: the same prompts, answered twice."""
    sides = [_moment(_run(watched, request.query_params.get(run, "")), request.query_params.get(at, "")) for run, at in
             (("a", "a_at"), ("b", "b_at"))]  # fmt: skip
    start = _whole(request.query_params.get("start", "0"))
    return {"names": [name for name, _ in sides], **texts.differences(sides[0][1], sides[1][1], start, GROUPS_A_PAGE)}


def _moment(run: WatchedRun, at: str) -> tuple[str, list[Row]]:
    """Its name and its answers: a step's (`s12`, or the nearest that has some) or an evaluation's (`e` and its byte)."""
    number = _whole(at[1:])
    if at.startswith("e"):
        with (run.at.folder / "evaluations.jsonl").open("rb") as file:
            file.seek(number)
            row = parsed(file.readline()) or {}
        examples = row.get("examples")
        rows = [dict(e) for e in examples if isinstance(e, dict)] if isinstance(examples, list) else []
        return visible(f"{run.name}, held out: {row.get('label', '')}"), rows
    step = run.answers.nearest(number)
    if step is None:
        raise Asked(_no_answers(run))
    return visible(f"{run.name}, step {step}"), run.answers.of_step(step)


def _around(row: Row, wanted: str, reach: int = 160) -> dict[str, Any]:
    """The text around the first place where it was found, in three pieces: before, the place, after."""
    for where in (str(row.get("text") or ""), prompt_text(row.get("prompt"))):
        at = where.lower().find(wanted.lower())
        if at >= 0:
            end = at + len(wanted)
            start = max(0, at - reach)
            pieces = (
                "…" * (start > 0) + where[start:at],
                where[at:end],
                where[end : end + reach] + "…" * (end + reach < len(where)),
            )
            return {"pieces": [visible(piece) for piece in pieces]}
    return {"pieces": ["", "", ""]}


def _run(watched: Watched, identity: str) -> WatchedRun:
    run = watched.runs.get(identity) or (next(iter(watched.runs.values()), None) if not identity else None)
    if run is None:
        raise Asked(f'There is no run "{identity}" here.')
    return run


def _no_answers(run: WatchedRun) -> str:
    if run.answers.read < 1:
        return f"The answers are still being read ({run.answers.read:.0%})."
    return "No answers yet. Stages that learn from a data set sample none."


def _axis(text: str) -> Axis:
    axes: tuple[Axis, ...] = get_args(Axis)
    if text not in axes:
        raise Asked(f'There is no axis "{visible(text[:40])}"; there are {", ".join(axes)}.')
    return next(axis for axis in axes if axis == text)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Asked(f'A whole number was expected, not "{visible(text[:40])}".')
    return int(text)
