"""What the server answers, and to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from quintet.live import app as module
from quintet.live.app import FILES, Asked, answer, curves, differences, found, make_app, step
from quintet.live.guard import POLICY
from quintet.live.overview import NUMBERS, overview
from quintet.live.watched import Watched
from tests.run_folder import ATTACK, write_run
from tests.written_comparison import write_comparison, write_member

TOKEN = "secret-token"


def get(
    path: str, host: str = "127.0.0.1:8000", method: str = "GET", folder: Path = Path("nowhere")
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that the server would send."""
    sent: list[Any] = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def ask() -> None:
        async def receive() -> dict[str, Any]:
            return requests.pop() if requests else await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: Any) -> None:
            sent.append(message)

        path_, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": path_, "query_string": query.encode(), "root_path": ""}
        scope |= {"headers": [(b"host", host.encode())], "scheme": "http", "http_version": "1.1"}
        await make_app(folder, TOKEN)(scope, receive, send)

    asyncio.run(ask())
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def asked(reply: Callable[[Watched, Request], Any], folder: Path, **parameters: object) -> Any:
    watched = Watched(folder)
    while watched.look():
        pass
    request = Request({"type": "http", "headers": [], "query_string": urlencode(parameters).encode()})
    return json.loads(json.dumps(reply(watched, request)))


# ---- who may ask --------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "", "/index.html", "/data/curves", "/secret-toke/", "/secret-token2/", "/x/secret-token/", "/sécret/"]
)
def test_without_the_secret_nothing_is_answered(path: str) -> None:
    status, headers, body = get(path)
    assert status == 403
    assert b"Open the address" in body
    assert headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "192.168.0.7:8000", "[::2]:80"]
)
def test_a_name_that_is_not_this_machines_is_refused_even_with_the_secret(host: str) -> None:
    assert get(f"/{TOKEN}/", host=host)[0] == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "[::1]"])
def test_this_machines_own_names_are_let_through(host: str) -> None:
    assert get(f"/{TOKEN}/", host=host)[0] == 200


def test_only_questions_are_answered() -> None:
    assert [get(f"/{TOKEN}/", method=method)[0] for method in ("POST", "PUT", "DELETE", "OPTIONS")] == [403] * 4


def test_the_address_without_its_last_stroke_leads_to_the_page() -> None:
    status, headers, _ = get(f"/{TOKEN}")
    assert (status, headers["location"]) == (307, f"/{TOKEN}/")


def test_every_file_of_the_page_is_served_with_its_type_and_no_other_file_is() -> None:
    for name in FILES:
        status, headers, body = get(f"/{TOKEN}/{name}")
        assert (status, body) == (200, FILES[name].read_bytes())
        assert headers["content-type"].startswith({".js": "text/javascript"}.get(FILES[name].suffix, ""))
        assert headers["cache-control"] == "no-store"
    for path in ("/app.py", "/../app.py", "/..%2fapp.py", "/data/nothing", "//etc/passwd", "/page/app.js"):
        assert get(f"/{TOKEN}{path}")[0] == 404


def test_no_script_and_no_style_stands_in_the_page_itself() -> None:
    html = FILES["index.html"].read_text(encoding="utf-8")
    assert "style=" not in html
    assert "<style" not in html
    assert html.count("<script") == html.count('<script type="module" src="app.js">') == 1
    assert "http://" not in html
    assert "https://" not in html
    for name, path in FILES.items():
        if name.endswith(".js"):
            assert "innerHTML" not in path.read_text(encoding="utf-8")


# ---- what they are told --------------------------------------------------------------------


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "later")
    watched.look()
    told = overview(watched)
    assert (told["kind"], told["runs"][0]["state"]) == ("run", "waiting")
    assert asked(curves, tmp_path / "later")["large"] is None
    with pytest.raises(Asked, match="No answers yet"):
        asked(step, tmp_path / "later")
    write_run(tmp_path / "later", 20, 20)
    before = watched.version
    watched.look()
    assert watched.version == before + 1
    assert overview(watched)["runs"][0]["step"] == 40


def test_a_run_is_told_in_at_most_twelve_numbers_the_held_out_score_first(tmp_path: Path) -> None:
    watched = Watched(write_run(tmp_path / "run"))
    while watched.look():
        pass
    told = overview(watched)["runs"][0]
    assert len(told["numbers"]) == NUMBERS == 12
    assert told["numbers"][0]["title"] == "Held-out score"
    assert [n["title"] for n in told["numbers"]][1:3] == ["Reward", "Entropy"]
    assert sum(part["share"] for part in told["time"]) == pytest.approx(1)
    assert told["answers"] == {"first": 121, "last": 300, "count": 10}
    assert [moment["name"] for moment in told["moments"]] == [f"held out: {x}" for x in ("start", "after sft", "after grpo")]


def test_a_comparison_has_all_its_runs_and_its_advice(tmp_path: Path) -> None:
    watched = Watched(write_comparison(tmp_path, steps=20, done=[1, 0.5, 0]))
    while watched.look():
        pass
    told = overview(watched)
    assert (told["kind"], len(told["runs"])) == ("comparison", 15)
    assert [run["state"] for run in told["runs"][:4]] == ["done", "running", "waiting", "done"]
    assert told["advice"][0] == "GRPO and TRPO are a tie at the top."


def test_a_new_status_is_news_even_when_no_journal_grew(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("grpo",), seeds=1, steps=2)
    watched = Watched(folder)
    while watched.look():
        pass
    before = watched.version
    watched.look()
    assert watched.version == before
    (folder / "grpo/seed-0/status.json").write_text('{"state": "failed", "reason": "no memory"}')
    watched.look()
    assert watched.version == before + 1


def test_curves_have_a_line_for_each_label_with_the_mean_of_its_seeds_and_their_band(tmp_path: Path) -> None:
    told = asked(curves, write_comparison(tmp_path, steps=40), metric="score", x="tokens")
    assert told["metrics"][:2] == [["score", "Held-out score"], ["reward", "Reward"]]
    assert told["x"]["high"] == 40 * 1100
    large = told["large"]
    assert [line["label"] for line in large["lines"]] == ["reinforce", "trpo", "ppo", "dpo", "grpo"]
    line = large["lines"][4]
    assert (len(line["raw"]), len(line["strong"][0]), len(line["band"])) == (3, 3, 3)
    means = [sum(seed[at][1] for seed in line["raw"]) / 3 for at in range(3)]
    assert [y for _, y in line["strong"][0]] == pytest.approx(means, rel=1e-5)
    assert large["unit"] == "percent"
    assert {chart["key"] for chart in told["small"]} >= {"score", "reward", "entropy"}
    assert all(line["raw"] == [] for chart in told["small"] for line in chart["lines"])


def test_a_seed_that_just_begins_does_not_pull_the_mean_back_but_is_drawn(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("grpo",), seeds=2, steps=40, done=[1, 0.25])
    line = asked(curves, folder, metric="reward")["large"]["lines"][0]
    assert line["strong"][0][-1][0] == 40
    assert sorted(piece[-1][0] for piece in line["raw"]) == [10, 40]
    write_member(folder / "grpo/seed-1", "grpo", 1, 40, 0.5)
    assert asked(curves, folder, metric="reward")["large"]["lines"][0]["strong"][0][-1][0] == 20


def test_stages_of_a_run_are_marked_and_never_joined(tmp_path: Path) -> None:
    told = asked(curves, write_run(tmp_path / "run", 30, 40), metric="loss")
    assert [name for _, name in told["x"]["stages"]] == ["sft", "grpo"]
    assert [piece[-1][0] for piece in told["large"]["lines"][0]["strong"]] == [30, 70]


def test_the_common_start_is_shown_until_another_run_has_begun(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("grpo",), seeds=1, steps=4, done=[0])
    write_member(folder / "start", "grpo", 0, 4)
    assert [line["label"] for line in asked(curves, folder)["large"]["lines"]] == ["start"]
    write_member(folder / "grpo/seed-0", "grpo", 0, 4)
    assert [line["label"] for line in asked(curves, folder)["large"]["lines"]] == ["grpo"]


def test_a_step_is_told_in_pages_the_nearest_where_it_has_no_answers(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", 10, 60)
    newest = asked(step, folder)
    assert (newest["step"], newest["before"], newest["after"], newest["groups"]) == (70, 50, None, 4)
    assert asked(step, folder, step="31")["step"] == 30
    assert [g["group"] for g in asked(step, folder, step="70", start="3")["shown"]] == [3]


def test_a_text_is_cut_in_the_page_and_whole_on_demand(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", 1, 20, attack="W" * 100_000)
    one = asked(step, folder)["shown"][0]["answers"][0]
    assert len(one["text"]) == 1_500
    whole = asked(answer, folder, at=one["at"])
    assert (len(whole["text"]), whole["more"]) == (len(one["text"]) + one["more"], 0)
    assert asked(answer, folder, at=one["at"], what="prompt")["text"].startswith("<|0-0|>")


def test_search_tells_where_it_found_the_text(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", 1, 20, attack=ATTACK + "needle in hay")
    told = asked(found, folder, text="NEEDLE")
    assert told["hits"][0]["pieces"][1:] == ["needle", " in hay"]
    assert asked(found, folder, text="nowhere")["hits"] == []
    assert asked(found, folder, text="nowhere")["searched"] == 1


def test_two_algorithms_are_compared_on_the_same_held_out_prompts(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("dpo", "grpo"), seeds=1, steps=20)
    watched = Watched(folder)
    while watched.look():
        pass
    moments = {run["id"]: run["moments"][-1]["id"] for run in overview(watched)["runs"]}
    ids = {"a": "dpo/seed-0", "b": "grpo/seed-0"}
    told = asked(differences, folder, **ids, a_at=moments["dpo/seed-0"], b_at=moments["grpo/seed-0"])
    assert (told["both"], told["names"][1]) == (6, "grpo · seed 0, held out: grpo 20")
    steps = asked(differences, folder, **ids, a_at="s1", b_at="s6")
    assert (steps["both"], steps["prompts"], steps["names"][0]) == (0, [3, 3], "dpo · seed 0, step 1")
    assert asked(differences, folder, **ids, a_at="s6", b_at="s6")["both"] == 3


@pytest.mark.parametrize(
    ("reply", "parameters", "why"),
    [
        (curves, {"x": "miles"}, 'There is no axis "miles"; there are steps, tokens, seconds'),
        (step, {"step": "abc"}, 'A whole number was expected, not "abc"'),
        (step, {"step": "9" * 99}, "A whole number was expected"),
        (step, {"run": "other"}, 'There is no run "other" here'),
        (answer, {"at": "3"}, "No answer begins at byte 3"),
        (found, {}, "Nothing to search for"),
        (differences, {"a_at": "s-1"}, "A whole number was expected"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_in_a_sentence(
    tmp_path: Path, reply: Any, parameters: dict, why: str
) -> None:
    folder = write_run(tmp_path / "run", 5, 20)
    with pytest.raises(Asked, match=why):
        asked(reply, folder, **parameters)


def test_questions_over_the_wire_fail_in_json(tmp_path: Path) -> None:
    status, _, body = get(f"/{TOKEN}/data/curves?x=miles", folder=tmp_path)
    assert (status, json.loads(body)["error"][:20]) == (404, 'There is no axis "mi')
    assert module.GROUPS_A_PAGE == 6, "the page's own pager counts by it"
