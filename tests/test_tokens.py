"""Tokens are counted by `tiktoken` when it is named, and estimated otherwise, near to what it counts."""

import os
from pathlib import Path

import llama_index.core
import pytest
import tiktoken

from zep_memory_plugin import InvalidInput, Message, SessionManager
from zep_memory_plugin.core.tokens import estimated_tokens

TEXTS = {
    "English": "The train to Lisbon leaves at a quarter past nine, and I would rather not run for it again. Could you "
    "look up whether there is a later one, and what it would cost to change the booking? Last time they charged me "
    "twenty euros, which seemed a lot for a seat by the door.",
    "Chinese": "我下周要去里斯本出差,想请你帮我安排一下行程。上次去的时候住在市中心的一家小旅馆,房间很安静,"
    "早餐也不错。这次我希望能住得离会议地点近一些,最好步行十分钟以内。另外,我对花生过敏,请在订餐厅的时候提前告诉他们。",
    "Japanese": "来週リスボンへ出張する予定なので、旅程を組むのを手伝ってもらえますか。前回は"
    "街の中心にある小さなホテルに泊まりましたが、部屋は静かで朝食もおいしかったです。今回は会議の場所から歩いて十分以内のところがいいです。",
    "Korean": "다음 주에 리스본으로 출장을 가는데 일정을 짜는 것을 도와주실 수 있나요? "
    "지난번에는 시내 중심에 있는 작은 호텔에 묵었는데 방이 조용하고 아침 식사도 좋았습니다.",
    "Python": 'def total(items: list[Item], discount: float = 0.0) -> float:\n    """Add up what *items* cost."""\n'
    "    prices = [item.price * (1 - discount) for item in items if not item.sold]\n"
    "    if not prices:\n        raise ValueError('nothing to add up')\n    return round(sum(prices), 2)\n",
    "JavaScript": "for (let i = 0; i < items.length; i++) {\n    const item = items[i];\n    if (item.price > 100) {\n"
    "        total += item.price * (1 - discount);\n        console.log(`sold ${item.name}`);\n    }\n}\n",
    "JSON": '{"id": 1382, "user_id": "alice", "items": [{"sku": "A-33-91", "qty": 2}], "total": 139.95, "paid": true}',
    "emoji": "😀🎉🚀👍🏽😂🙏🔥✨🥰🇵🇹😎🤔💡",
}


@pytest.fixture(autouse=True)
def vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiktoken read the vocabularies that LlamaIndex ships, instead of downloading them."""
    shipped = Path(llama_index.core.__file__).parent / "_static/tiktoken_cache"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", os.fspath(shipped))


@pytest.mark.parametrize("language", TEXTS)
def test_the_estimate_is_near_to_what_models_count(language: str) -> None:
    """Within a quarter of it, for text of any length."""
    text = TEXTS[language]
    encoding = tiktoken.get_encoding("o200k_base")

    assert estimated_tokens(text) == pytest.approx(len(encoding.encode(text)), rel=0.25)
    assert estimated_tokens(text * 20) == pytest.approx(len(encoding.encode(text * 20)), rel=0.25)


def test_the_estimate_is_of_any_text() -> None:
    """Also of none, of what no encoding has, and of one character."""
    assert [estimated_tokens(text) for text in ("", "a", "7", "ж", "好", "😀", "\ud800")] == [0, 1, 1, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("tiktoken", "o200k_base"),
        ("cl100k_base", "cl100k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4", "cl100k_base"),
    ],
)
def test_tiktoken_counts_when_it_is_named(name: str, encoding: str) -> None:
    """By itself, by one of its encodings or by a model; special tokens of a model are text like any other."""
    text = TEXTS["Chinese"] + "<|endoftext|>"
    with SessionManager("sqlite://", token_counter=name) as manager:
        (stored,) = manager.add_memory("s", [Message(role="user", content=text)])

    assert stored.token_count == len(tiktoken.get_encoding(encoding).encode(text, disallowed_special=()))


def test_a_name_that_tiktoken_does_not_know_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"token_counter is 'gpt-0', neither a model .* encodings: .*o200k_base"):
        SessionManager("sqlite://", token_counter="gpt-0")


def test_tokens_are_estimated_where_no_vocabulary_can_be_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That is tried once, and logged once."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", os.fspath(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with SessionManager("sqlite://", token_counter="p50k_edit") as manager:
        stored = manager.add_memory("s", [Message(role="user", content=text) for text in TEXTS.values()])

    assert [message.token_count for message in stored] == [estimated_tokens(text) for text in TEXTS.values()]
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "tiktoken has no vocabulary for p50k_edit"
    ]
