"""Encodings: Unicode and what the bytes leave no doubt about are read, anything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.formats import Form, read_files
from harness.errors import DataError

TEXTS = {
    "western": ["Le garçon est très gentil, l’accueil parfait", "Ça ne m’a pas plu – où êtes-vous ?", "Noël à 20 €"],
    "german": ["Größe und Maß stimmen überhaupt nicht", "Für 20 € gibt es nichts Besseres", "Schöne Grüße"],
    "polish": ["Pokój był za mały i głośny", "Śniadanie było pyszne, świetna obsługa", "Źle się spało, łóżko"],
    "russian": ["Номер был маленький и шумный", "Завтрак отличный, спасибо", "Плохое обслуживание и дорого"],
    "chinese": ["这家酒店的服务非常好", "房间太小而且很吵", "早餐很丰富，值得推荐"],
    "traditional": ["這家酒店的服務非常好", "房間太小而且很吵", "早餐很豐富，值得推薦"],
    "japanese": ["部屋は狭くてうるさかったです", "朝食は素晴らしかった、ありがとう", "来年もまた来ます"],
    "korean": ["방이 작고 시끄러웠어요", "아침 식사는 훌륭했습니다", "내년에도 다시 오겠습니다"],
}


def written(folder: Path, texts: list[str], encoding: str, name: str = "t.csv") -> Path:
    path = folder / name
    lines = [f'"{text}",{"ab"[number % 2]}' for number, text in enumerate(texts * 5)]
    path.write_bytes("\n".join(["text,label", *lines, ""]).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("texts", "encoding", "said"),
    [
        ("western", "cp1252", "cp1252"),
        ("german", "cp1252", "cp1252"),
        ("polish", "cp1250", "cp1250"),
        ("polish", "iso8859_2", "iso8859_2"),
        ("russian", "cp1251", "cp1251"),
        ("russian", "koi8_r", "koi8_r"),
        ("chinese", "gbk", "gb18030"),
        ("traditional", "big5", "big5"),
        ("japanese", "shift_jis", "cp932"),
        ("japanese", "euc_jp", "euc_jp"),
        ("korean", "euc_kr", "euc_kr"),
        ("chinese", "utf-16", "utf-16"),
        ("western", "utf-16-le", "utf-16-le"),
        ("western", "utf-32", "utf-32"),
    ],
)
def test_encoding_is_found_and_said(tmp_path: Path, texts: str, encoding: str, said: str) -> None:
    found = read_files([written(tmp_path, TEXTS[texts], encoding)], ["text"])
    assert found.columns == {"text": TEXTS[texts] * 5}
    assert found.notes == (f"t.csv: read as {said} (data.encoding)",)


def test_utf8_is_read_without_a_note(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        assert not read_files([written(tmp_path, TEXTS["chinese"], encoding)], ["text"]).notes


def refused(path: Path, encoding: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_files([path], ["text"], Form(encoding=encoding))
    return str(caught.value)


def test_encoding_in_doubt_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    mixed = ["Größe", "Příliš žluťoučký", "ñandú", "ação", "świetna", "¿qué?"]
    path.write_bytes(b"text,label\n" + b"".join(f"{word},a\n".encode("cp1250", "ignore") for word in mixed))
    assert "t.csv: not UTF-8 (line 2: byte 0xf6), and its bytes leave the encoding in doubt; name it" in refused(path)


def test_utf8_with_a_broken_byte_is_not_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, TEXTS["german"], "utf-8")
    path.write_bytes(path.read_bytes() + b"caf\xe9,a\n")
    assert "not UTF-8 (line 17: byte 0xe9)" in refused(path)


def test_encoding_that_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, ["naïve"], "mac_roman")
    assert read_files([path], ["text"], Form(encoding="mac_roman")).columns["text"] == ["naïve"] * 5
    path = written(tmp_path, TEXTS["chinese"], "utf-8")
    assert "data.encoding is ascii, and line 2: byte 0xe8 cannot be read so" in refused(path, "ascii")


def test_typographic_quotes_alone_are_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text\nit’s “good” — so…\n".encode("cp1252"))
    found = read_files([path], ["text"])
    assert found.columns == {"text": ["it’s “good” — so…"]}
    assert found.notes == ("t.csv: read as cp1252 (data.encoding)",)
