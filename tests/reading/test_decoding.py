"""Texts that are not UTF-8, short and long: the encoding is found, and the note names it."""

from __future__ import annotations

from lior.reading.decoding import decode_text
from tests.cases import cases

TEXTS = {
    "cp932": (
        "鍵はマットの下にあります。",
        "買い物メモ\n・牛乳\n・パン\n・卵",
        "井戸のポンプは古い。",
        "東京都千代田区",
    ),
    "euc_jp": ("鍵はマットの下にあります。", "買い物メモ\n・牛乳\n・パン\n・卵", "井戸のポンプは古い。"),
    "gb18030": ("发票的付款期限是星期五。谢谢。", "钥匙在垫子下面。", "北京市海淀区", "水泵"),
    "big5": ("發票的付款期限是星期五。謝謝。", "鑰匙在墊子下面。", "花園的水泵在老井旁邊。"),
    "cp949": ("열쇠는 매트 아래에 있다.", "보일러의 압력은 1.5바이다.", "서울특별시 종로구"),
    "cp1251": ("Ключ под ковриком.", "Давление котла 1,5 бар.", "Купить молоко и хлеб"),
    "koi8_r": ("Ключ под ковриком.", "Давление котла 1,5 бар.", "Купить молоко и хлеб"),
    "cp1253": ("Το κλειδί είναι κάτω από το χαλάκι.",),
    "cp1252": (
        "Der Schlüssel liegt unter der Fußmatte.",
        "Müller & Söhne",
        "Téléchargement;\nCompte de Dépôt n° 12;\nSolde 1 204,55 €\nDate;Libellé;Débit euros;Crédit euros;",
        "Buchung;Empfänger;Betrag €\n01.02.2026;Müller Bäckerei;-12,30",
        "Kontostand: 1.234,56 €\nWährung: €",
        "Päivä;Saaja;Määrä €\n1.2.2026;Pääkaupungin sähkö;-80,00",
        "Il a réglé l’école – 45 €, c’était prévu.",
    ),
    "cp850": ("Nous sommes allés à la mer, c'était très agréable malgré le vent.",),
}


@cases("encoding", TEXTS)
def test_short_and_long_texts_are_told_apart(encoding):
    for source in (*TEXTS[encoding], "\n".join(TEXTS[encoding]) * 20):
        text, notes = decode_text(source.encode(encoding))
        assert text == source
        assert notes == (f"not UTF-8; read as {encoding}, the most probable encoding",)


def test_text_with_a_few_kana_is_not_japanese():
    """GB 18030 has kana too, at the bytes that they have in EUC-JP."""
    source = "他的店叫のの屋,在老城区的河边,每天九点开门,星期一休息。"
    assert decode_text(source.encode("gb18030"))[0] == source
