"""Encodings: Unicode and what the bytes leave no doubt about are read, anything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.formats import Content, Form, read_files
from harness.errors import DataError
from harness.spec.study import DataSpec

TEXTS = {
    "western": ["Le garçon est très gentil, l’accueil parfait", "Ça ne m’a pas plu – où êtes-vous ?", "Noël à 20 €"],
    "german": ["Größe und Maß stimmen überhaupt nicht", "Für 20 € gibt es nichts Besseres", "Schöne Grüße"],
    "polish": ["Pokój był za mały i głośny", "Śniadanie było pyszne, świetna obsługa", "Źle się spało, łóżko"],
    "russian": ["Номер был маленький и шумный", "Завтрак отличный, спасибо", "Плохое обслуживание и дорого"],
    "short russian": ["очень хороший фильм", "плохое кино не смотрите"],
    "russian capitals": ["ОЧЕНЬ ХОРОШИЙ ФИЛЬМ", "ПЛОХОЕ КИНО НЕ СМОТРИТЕ"],
    "ukrainian": ["Дуже гарний фільм, їжа теж", "Погане кіно, не дивіться його", "Це є найкращий готель"],
    "greek": ["Πολύ καλή ταινία, τη συνιστώ", "Κακή εξυπηρέτηση και ακριβά", "Άσχημο δωμάτιο"],
    "hebrew": ["המוצר מצוין ואני ממליץ לכולם", "השירות היה גרוע מאוד", "לא אקנה שוב לעולם"],
    "turkish": [
        "Çok güzel bir ürün, tavsiye ederim",
        "Kargo çok geç geldi ve şişe kırılmıştı",
        "Iğdır'dan hızlı geldi",
    ],
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
        ("russian", "iso8859_5", "iso8859_5"),
        ("russian", "mac_cyrillic", "mac_cyrillic"),
        ("russian", "cp866", "cp866"),
        ("short russian", "koi8_r", "koi8_r"),
        ("short russian", "cp1251", "cp1251"),
        ("russian capitals", "iso8859_5", "iso8859_5"),
        ("russian capitals", "koi8_r", "koi8_r"),
        ("ukrainian", "cp1251", "cp1251"),
        ("ukrainian", "koi8_u", "koi8_u"),
        ("ukrainian", "mac_cyrillic", "mac_cyrillic"),
        ("greek", "cp1253", "cp1253"),
        ("greek", "iso8859_7", "iso8859_7"),
        ("hebrew", "cp1255", "cp1255"),
        ("hebrew", "iso8859_8", "cp1255"),
        ("turkish", "cp1254", "cp1254"),
        ("german", "mac_roman", "mac_roman"),
        ("chinese", "gbk", "gb18030"),
        ("traditional", "big5", "big5"),
        ("japanese", "shift_jis", "cp932"),
        ("japanese", "euc_jp", "euc_jp"),
        ("korean", "euc_kr", "euc_kr"),
        ("chinese", "hz", "hz"),
        ("japanese", "iso2022_jp", "iso2022_jp"),
        ("korean", "iso2022_kr", "iso2022_kr"),
        ("western", "utf-7", "utf-7"),
        ("polish", "utf-7", "utf-7"),
        ("chinese", "utf-7", "utf-7"),
        ("chinese", "utf-16", "utf-16"),
        ("western", "utf-16-le", "utf-16-le"),
        ("western", "utf-32", "utf-32"),
    ],
)
def test_encoding_is_found_and_said(tmp_path: Path, texts: str, encoding: str, said: str) -> None:
    found = read_files([written(tmp_path, TEXTS[texts], encoding)], ["text"])
    assert found.columns == {"text": TEXTS[texts] * 5}
    (note,) = found.notes
    assert note.startswith(f"t.csv: read as {said}, such as '") and note.endswith("' (data.encoding)")
    assert note.partition("'")[2].partition("' (")[0] in "\n".join(TEXTS[texts])


def test_turkish_that_may_be_icelandic_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ["ağır ve yavaş", "kışın sıcak", "şık değil"], "cp1254")
    with pytest.raises(DataError, match=r"for example cp1254 \('ağır ve yavaş'\) or cp1252 \('aðýr ve yavaþ'\)"):
        read_files([path], ["text"])
    icelandic = ["maðurinn og þú", "ég á hús", "ýmis orð í bók"]
    assert read_files([written(tmp_path, icelandic, "cp1252")], ["text"]).columns["text"] == icelandic * 5


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


def test_encodings_in_doubt_are_named(tmp_path: Path) -> None:
    assert "name it with data.encoding=, for example cp1252 ('†ber') or mac_roman ('Über')" in refused(
        written(tmp_path, ["Über"], "mac_roman")
    )


def test_encodings_in_doubt_are_shown_where_they_differ(tmp_path: Path) -> None:
    path = written(tmp_path, ["Déçu, c'est tout", "C'était bon, 5 € en tout"], "iso8859_15")
    assert "for example cp1252 ('¤ en tout') or iso8859_15 ('€ en tout')" in refused(path)


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (["الفيلم جيد جدا", "خدمة سيئة وغالية"], "cp1256"),
        (["Labai geras gaminys, žmonėms", "šaltas ir ilgas, gražus"], "cp1257"),
        (["สินค้าดีมากแนะนำให้ทุกคน", "บริการแย่มาก"], "cp874"),
        (["Le café était très bon", "Pas d'été ici, ça va"], "cp850"),
        (["Le café", "a bad one"], "cp850"),
    ],
)
def test_text_in_an_encoding_that_is_not_found_is_refused(tmp_path: Path, texts: list[str], encoding: str) -> None:
    assert "leave the encoding in doubt" in refused(written(tmp_path, texts, encoding))


@pytest.mark.parametrize(
    ("texts", "encoding", "said"),
    [
        (["好评", "差评"], "gbk", "gb18030 ('好评')"),
        (["好", "差", "good 中"], "gbk", "gb18030 ('好')"),
        (["正", "負"], "cp932", "cp932 ('正')"),
        (["긍정", "부정"], "cp949", "cp949 ('긍정')"),
        (["很好", "差"], "big5", "big5hkscs ('很好')"),
        (["呢套戲好好睇", "好差唔好睇", "一般啦 嘅"], "big5hkscs", "big5hkscs ('呢套戲好好睇')"),
    ],
)
def test_short_east_asian_texts_are_no_latin_letters(
    tmp_path: Path, texts: list[str], encoding: str, said: str
) -> None:
    message = refused(written(tmp_path, texts, encoding))
    assert "leave the encoding in doubt" in message
    assert said in message


@pytest.mark.parametrize(
    ("labels", "encoding", "said"),
    [
        (["да", "нет"], "cp1251", "cp1251 ('да')"),
        (["ναι", "όχι"], "cp1253", "cp1253 ('ναι')"),
        (["θετικό", "no"], "cp1253", "cp1253 ('θετικό')"),
        (["ดี", "แย่"], "cp874", "cp874 ('ดี')"),
        (["כן", "לא"], "cp1255", "cp1255 ('כן')"),
        (["jo", "rossz ő"], "cp1250", "cp1250 ('ő')"),
        (["labi ņ", "no"], "iso8859_4", "iso8859_4 ('ņ')"),
        (["ja", "åäö"], "cp1252", "cp1252 ('åäö')"),
    ],
)
def test_short_labels_of_another_script_beside_ascii_are_in_doubt(
    tmp_path: Path, labels: list[str], encoding: str, said: str
) -> None:
    path = tmp_path / "t.csv"
    rows = [f"the cat sat on a mat number {number},{labels[number % 2]}\n" for number in range(30)]
    path.write_bytes("".join(["text,label\n", *rows]).encode(encoding))
    message = refused(path)
    assert "leave the encoding in doubt" in message and said in message


@pytest.mark.parametrize(
    ("labels", "encoding", "said"),
    [
        (["sí", "no"], "cp1252", "cp1252, such as 'sí'"),
        (["à deux", "à la carte"], "cp1252", "cp1252, such as 'à "),
        (["łatwy", "trudny"], "cp1250", "cp1250, such as 'łatwy'"),
        (["erős", "jó"], "cp1250", "cp1250, such as 'erős'"),
        (["положительный", "отрицательный"], "cp1251", "cp1251, such as 'положительный'"),
    ],
)
def test_labels_that_tell_the_encoding_are_read_and_shown(
    tmp_path: Path, labels: list[str], encoding: str, said: str
) -> None:
    path = tmp_path / "t.csv"
    rows = [f"the cat sat on a mat number {number},{labels[number % 2]}\n" for number in range(30)]
    path.write_bytes("".join(["text,label\n", *rows]).encode(encoding))
    found = read_files([path], ["label"])
    assert set(found.columns["label"]) == set(labels)
    assert found.notes[0].startswith(f"t.csv: read as {said}")


def test_romanian_is_no_portuguese(tmp_path: Path) -> None:
    for texts in (["un film rău, dezamăgitor", "cald"], ["aşa şi aşa", "film foarte bun"]):
        assert read_files([written(tmp_path, texts, "cp1250")], ["text"]).columns["text"] == texts * 5
    portuguese = ["não, amanhã às 5ª feira", "mãe e irmãs, nº 5", "câimbra ou cãibra"]
    assert read_files([written(tmp_path, portuguese, "cp1252")], ["text"]).columns["text"] == portuguese * 5


def test_the_currency_sign_may_be_the_euro_sign(tmp_path: Path) -> None:
    assert "cp1252 ('coûte 5 ¤') or iso8859_15 ('coûte 5 €')" in refused(
        written(tmp_path, ["coûte 5 €", "très bon"], "iso8859_15")
    )


def test_halves_of_pairs_in_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text,label\nsmile \ud83d\ude00,a\n".encode("utf-8", "surrogatepass"))
    assert "not UTF-8 (line 2: byte 0xed), though other lines are; save the file as UTF-8 again" in refused(path)


def test_signs_of_ascii_that_are_like_escape_sequences_are_text(tmp_path: Path) -> None:
    texts = ["\x1b[31mred\x1b[0m", "in TeX ~{hello~} and ~{ab~}"]
    found = read_files([written(tmp_path, texts, "ascii")], ["text"])
    assert found.columns == {"text": texts * 5}
    assert not found.notes


def test_utf8_with_a_broken_byte_is_not_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, TEXTS["german"], "utf-8")
    path.write_bytes(path.read_bytes() + b"caf\xe9,a\n")
    assert "not UTF-8 (line 17: byte 0xe9)" in refused(path)


def test_encoding_that_is_given(tmp_path: Path) -> None:
    path = written(tmp_path, ["naïve"], "mac_roman")
    assert read_files([path], ["text"], Form(encoding="mac_roman")).columns["text"] == ["naïve"] * 5
    path = written(tmp_path, TEXTS["chinese"], "utf-8")
    assert "data.encoding is ascii, and line 2: byte 0xe8 cannot be read so" in refused(path, "ascii")


@pytest.mark.parametrize(
    "text",
    [
        "it’s “good” — so…",
        "win £100 • 20° today • call™",
        "à la carte or à deux",
        "Le café",
    ],
)
def test_few_signs_or_letters_are_of_windows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"text\n{text}\n".encode("cp1252"))
    found = read_files([path], ["text"])
    assert found.columns == {"text": [text]}
    (note,) = found.notes
    assert note.startswith("t.csv: read as cp1252, such as '")


@pytest.mark.parametrize("chunk_bytes", [1, 5, 8, 1000])
def test_the_broken_line_is_named_wherever_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr("harness.data.readers.encodings._CHUNK_BYTES", chunk_bytes)
    path = tmp_path / "t.csv"
    path.write_bytes("text,label\nplain,a\nnaïve 日本,b\nplain,b\n".encode())
    assert read_files([path], ["text"]).columns == {"text": ["plain", "naïve 日本", "plain"]}
    for broken, byte in ((b"\xff", "0xff"), (b"\xe6\x97x", "0xe6")):
        path.write_bytes(
            "text,label\nplain,a\nnaïve 日本,b\n".encode() + b"plain " + broken + b",b\n" + b"plain,b\n" * 9
        )
        with pytest.raises(DataError, match=rf"not UTF-8 \(line 4: byte {byte}\)"):
            read_files([path], ["text"])


@pytest.mark.parametrize("chunk_bytes", [7, 2**20])
def test_plus_signs_of_ascii_are_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int) -> None:
    monkeypatch.setattr("harness.data.readers.encodings._CHUNK_BYTES", chunk_bytes)
    texts = ["A+ for C++", "call +49-30-1234, a+b", "1+1=2 +Bag-", "x+-y"]
    found = read_files([written(tmp_path, texts, "ascii")], ["text"])
    assert found.columns["text"] == texts * 5 and not found.notes


def test_one_sign_of_utf7_is_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\ncaf+AOk-,a\ntea,b\n", encoding="ascii")
    with pytest.raises(DataError, match=r"t\.csv: '\+AOk-' in it is 'é' in UTF-7, and else a text; set data"):
        read_files([path], ["text"])
    for encoding, text in (("utf-7", "café"), ("utf-8", "caf+AOk-")):
        assert read_files([path], ["text"], Form(encoding=encoding)).columns["text"] == [text, "tea"]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_utf16_without_its_mark_names_the_byte_order(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = {"t.csv": "text,label\ngood,a\nbad,b\n", "t.jsonl": '{"text": "good", "label": "a"}\n'}[name]
    path.write_bytes(text.encode("utf-16-be"))
    message = refused(path, "utf-16")
    assert "data.encoding is utf-16, and line 1: byte 0x00, which is no byte order mark, cannot be read so" in message
    assert message.endswith("set data.encoding=utf-16-be")
    path.write_text(text, encoding="ascii")
    assert refused(path, "utf-16").endswith("set data.encoding= to the right one")


@pytest.mark.parametrize("name", ["punycode", "idna", "undefined", "unicode_escape", "raw-unicode-escape", "rot13"])
def test_codecs_that_are_no_encodings_of_files_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is no encoding"):
        DataSpec(path="t.csv", encoding=name)


@pytest.mark.parametrize("number", ["1e+100", "1.7976931348623157e+308", "-2.5E+0100", "1e+16"])
@pytest.mark.parametrize("count", [1, 5])
def test_exponents_with_a_plus_sign_are_no_utf7(tmp_path: Path, number: str, count: int) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"text": "good", "label": {number}}}\n' * count, encoding="ascii")
    assert read_files([path], ["text"]).columns["text"] == ["good"] * count
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + f"good,{number}\n" * count, encoding="ascii")
    assert read_files([path], ["label"]) == Content({"label": [number] * count})
