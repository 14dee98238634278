"""Words of calculations in English, German and French."""

from __future__ import annotations

import re

OPERATIONS: tuple[tuple[str, str, str], ...] = (
    # operation, what it measures, pattern; the first that matches counts
    ("mean", "", r"\b(on average|in average|averages?|mean(?= \w)|durchschnitt\w*|im schnitt|im mittel"
     r"|mittelwerts?"
     r"|en moyenne|moyennes?)\b"),
    ("lowest", "money", r"\b(cheapest|least expensive|lowest[- ]priced|billigste\w?|günstigste\w?"
     r"|preiswerteste\w?"
     r"|(le |la |les )?moins ch[eè]re?s?)\b"),
    ("highest", "money", r"\b(most expensive|dearest|priciest|costliest|teuerste\w?|(le |la "
     r"|les )?plus ch[eè]re?s?)\b"),
    ("highest", "length", r"\b(longest|farthest|furthest|längste\w?|weiteste\w?|(le |la "
     r"|les )?plus (longue?s?|loin))\b"),
    ("lowest", "length", r"\b(shortest|nearest|kürzeste\w?|(le |la |les )?plus courte?s?)\b"),
    ("highest", "weight", r"\b(heaviest|schwerste\w?|(le |la |les )?plus lourde?s?)\b"),
    ("lowest", "weight", r"\b(lightest|leichteste\w?|(le |la |les )?plus l[eé]g[eè]re?s?)\b"),
    ("highest", "temperature", r"\b(hottest|warmest|wärmste\w?|heißeste\w?|(le |la |les )?plus chaude?s?)\b"),
    ("lowest", "temperature", r"\b(coldest|coolest|kälteste\w?|(le |la |les )?plus froide?s?)\b"),
    ("next", "", r"\b(next|upcoming|nächste\w?|kommende\w?|prochaine?s?)\b"),
    ("newest", "", r"\b(newest|latest|most recent|last(?! (names?|time|night)\b)|neue?ste\w?|letzte\w?"
     r"|jüngste\w?|aktuellste\w?"
     r"|derni[eè]re?s?|(le |la |les )?plus récente?s?)\b"),
    ("oldest", "", r"\b(earliest|first(?! (names?|time|aid|floor|class)\b)|früheste\w?|erste\w?"
     r"|premi[eè]re?s?)\b"),
    ("oldest", "age", r"\b(oldest|älteste\w?|(le |la |les )?plus ancienn?e?s?)\b"),
    ("highest", "", r"\b(highest|largest|biggest|greatest|maximum|maximal\w*|höchste\w?|größte\w?"
     r"|(le |la |les )?plus (élevée?s?|grande?s?|haute?s?|gros(se)?s?|forte?s?)|maximale?)\b"),
    ("lowest", "", r"\b(lowest|smallest|minimum|minimal\w*|niedrigste\w?|kleinste\w?|geringste\w?"
     r"|(le |la |les )?plus (basse?s?|bas|petite?s?|faibles?)|minimale?)\b"),
    ("sum", "money", r"\b(how much( money)?|what|wie ?viel( geld)?|was|combien( d'argent)?"
     r"|qu'?(est-ce que?|a-t-on|avons-nous|ai-je))\b"
     r"(?=.*\b(spend|spent|spending|ausgegeben|dépensée?s?)\b)"),
    ("sum", "money", r"\b(how much|wie ?viel|combien)\b"
     r"(?=.*\b(in total|altogether|all together|insgesamt|zusammen|au total|en tout)\b)"),
    ("count", "", r"\b(how many|number of|count( of)?|wie ?viele?|anzahl( der| von| an)?"
     r"|combien y a-t-il d('|es?\b)"
     r"|combien d('|es?\b)|nombre d('|es?\b))"),
    ("sum", "", r"\b(in total|total( amount| cost)?( of| for)?|totals?|sum( of)?|altogether|add up"
     r"|insgesamt|gesamt\w*|summe|zusammen"
     r"|au total|en tout|total(es?)?|totaux|somme)\b"),
    ("highest", "", r"\b((the )?(most|least|fewest)|(am |die |der |das )?(meisten?|wenigsten))\b"),
    ("list", "", r"^\W*(please )?((can|could) you )?(list|show|give|print|enumerate)\b( me| us)?( all"
     r"| every)?"
     r"|^\W*(bitte )?(liste|zeige?|nenne?|gib)\b( mir| uns)?( alle)?|^\W*auflisten"
     r"|^\W*(montre[zr]?|affiche[zr]?|énumère[zr]?|liste[zr]?|donne[zr]?)([- ](moi|nous))?\b( toute?s"
     r"| tous)?"),
    ("which", "", r"^\W*(which|what(?! (is|was|does|do|did)\b)|welche\w?|quel(le)?s?(?! est\b))\b"),
)  # fmt: skip
ASKS = re.compile(
    r"\W*(how|why|where|when|whether|if|wie|warum|wo|wann|ob|comment|pourquoi|où|quand|si)\b"
    r"(?! (many|much|viele?)\b)", re.I,
)  # fmt: skip
"""How a question for a sentence begins, also behind "show me"."""
TOTAL = re.compile(r"\b(in total|total|altogether|all together|in all|insgesamt|zusammen|au total|en tout)\b")
"""Words that may stand beside those of a sum or a number of rows."""
MEASURES = {
    "money": "amount price cost total sum value fee rent paid spent eur euro usd chf gbp pound net gross"
    " betrag preis kosten summe wert gebühr miete ausgabe bezahlt"
    " montant prix coût cout valeur somme tarif loyer",
    "length": "km kilometer kilometre kilometres mile miles distance length duration time minutes hours days"
    " strecke länge dauer entfernung minuten stunden tage longueur durée distance heures jours",
    "weight": "kg weight gewicht poids gram grams",
    "temperature": "temperature temp °c celsius temperatur température",
}
"""What is measured -> words of the names of columns that have it."""
MAIL = re.compile(r"e?-?mails?|courriels?|mél")
MESSAGES = re.compile(r"messages?|nachrichten?")
CHAT = re.compile(r"chats?|groups?|gruppen?|groupes?")
FILES = re.compile(r"files?|documents?|dateien?|dokumente?n?|fichiers?")
OF_FILES = re.compile(
    r"folders?|ordner|dossiers?|ending|endings|extensions?|types?|formats?|endung(en)?|typ|formate?"
)
"""Words beside the name of a folder or of an ending."""
PICTURES = re.compile(r"pictures?|images?|photos?|bilder|fotos?")
PICTURE_ENDINGS = ("jpg", "jpeg", "png", "gif", "webp", "heic", "tif", "tiff", "bmp")
ENDINGS = "pdf csv docx odt xlsx pptx epub html json txt md eml mbox ics vcf zip"
"""Endings of files that need not be there to be asked for."""
FORMATS = {
    "markdown": "md", "word": "docx", "excel": "xlsx", "powerpoint": "pptx", "text": "txt", "python": "py",
    "calendar": "ics",
}  # fmt: skip
"""Names of formats -> endings."""
NAMES = (
    "expense expenses spending purchase purchases ausgaben kosten einkäufe dépenses frais achats",
    "quote quotes quotation quotations offer offers angebot angebote devis",
    "invoice invoices bill bills rechnung rechnungen facture factures",
    "trip trips journey journeys fahrt fahrten trajet trajets",
    "income earnings einnahmen revenus recettes",
)
"""Words for one thing in the names of tables."""
LEVELS = {
    "error": "errors? fehler fehlermeldung(en)? erreurs?",
    "warning": "warnings? warnung(en)? avertissements?",
    "critical": "criticals? kritische?",
    "fatal": "fatals?",
    "info": "infos?",
    "debug": "debug",
}
"""Level of the entry of a log -> words for it."""
EVENTS = re.compile(
    r"events?|appointments?|meetings?|termine?n?|rendez-?vous|réunions?|événements?|évènements?"
)
CONTACTS = re.compile(r"contacts?|kontakte?n?")
ROWS = re.compile(
    r"rows?|entry|entries|lines?|records?|items?|eintr[aä]ge?n?|zeilen?|posten|positionen|lignes?"
    r"|entrées?|postes"
)
TABLES = re.compile(
    r"tables?|csv|sheets?|tabellen?|tableaux?|columns?|spalten?|colonnes?|list|liste|log|logs|overview"
)
"""Words for what holds rows."""
FROM = frozenset("from by von vom par de d du".split())  # noqa: SIM905
TO = frozenset("to an à au".split())  # noqa: SIM905
SENT = frozenset(
    """send sends sent write writes wrote written schickt schickte geschickt geschrieben schrieb gesendet
    envoie envoyé envoyée envoyés envoyées écrit écrite écrits""".split()  # noqa: SIM905
)
ABOUT = re.compile(
    r"\b(about|regarding|concerning|with the subject|betreffs?|zum thema|über|à propos d[eu']|concernant"
    r"|au sujet d[eu'])"
)
UNSUPPORTED = re.compile(
    r"\b(most(?! (recent|expensive))|least(?! expensive)|fewest|meisten?|wenigsten|am häufigsten"
    r"|le plus souvent|per|each|every(?! (mail|row|entry|file))|pro|jede[rnsm]?|jeweils|chaque|par (mois"
    r"|an|jour|semaine|personne)"
    r"|not|n't|without|except|excluding|other than|no|nicht|ohne|außer|kein\w*|sans|sauf|hors|pas"
    r"|percent|percentage|prozent|pourcentage|median|difference|compared?|versus|vs|unterschied|différence"
    r"|second|third|zweite\w?|dritte\w?|deuxième|troisième|more (\w+ )?than (?=[a-z]))\b"
)  # fmt: skip
"""What would be a calculation of another kind: groups, negations, shares, comparisons of groups."""
COMPARISONS = (
    (">=", r"at least|mindestens|au moins|from|ab"),
    ("<=", r"at most|no more than|höchstens|maximal|au plus"),
    (">", r"over|above|more than|greater than|higher than|exceeding|über|mehr als|höher als|plus de"
     r"|au-dessus de|supérieure?s? à"),
    ("<", r"under|below|less than|lower than|fewer than|cheaper than|unter|weniger als|moins de"
     r"|en dessous de|inférieure?s? à"),
)  # fmt: skip
DIFFERENT = re.compile(r"\b(different|distinct|verschiedene?n?|unterschiedliche?n?|différente?s?)\b")
QUANTITIES = """
    km mile miles kilometre kilometres kilometer kg gram grams litre litres liter l hour hours minute
    minutes day days night nights unit units piece pieces pcs quantity stunden minuten tage nächte stück
    menge anzahl heures jours nuits pièces quantité nombre point points punkte page pages seiten""".split()  # noqa: SIM905
"""Names of columns whose numbers are added up where they are asked for with "how many"."""
CURRENCIES = "€ $ £ ¥ EUR USD GBP CHF Fr Fr.".split()  # noqa: SIM905
VERBS = frozenset(
    """spend spends spent spending pay pays paid cost costs get gets got receive receives received come comes
    came record recorded list listed contain contains contained write wrote written make made buy bought
    take takes took say says stand exist found arrive arrived include included money bezahlt bezahlen
    bezahle gezahlt ausgegeben ausgeben gekostet kosten kostet erhalten bekommen bekam kam kamen kommen
    gekommen geschrieben enthält enthalten verzeichnet eingetragen steht stehen gekauft geld dépensé
    dépensée dépensés dépenser payé payée payés payer coûté coûte coûtent reçu reçue reçues reçus acheté
    contient inscrit inscrits enregistré arrivé arrivés arrivées venu venus argent where hoch""".split()  # noqa: SIM905
)
"""Words that may name a column or a value, and need not."""
FUNCTION = frozenset(
    """a about all am an and any are at available be been by can could did do does done ever far for from had
    has have having his her i in is it its just many me my now of on or our out please so than that the
    their them there they this those to us was we were what when which with would you your aber alle allen
    aller als am an auf aus bei bis bitte da das dem den der des die dies diese dieser du ein eine einem
    einen einer es für gab geben gibt habe haben hast hat hatte hatten ich ihr im in ist mein meine meinem
    meinen meiner mir mit nach noch oder sie sind so um und uns unser unsere unserem unseren vom von vor
    war waren welche welchen welcher welches wie wir wurde wurden zu zum zur à a ai ait as au aux avec
    avez avons ce ces cet cette d dans de depuis des du elle en est et eu il ils j je l la le les leur
    leurs lui ma mes moi mon nos notre nous on ont ou où par pour qu que quel quelle quelles quels sa se
    ses si son sont sur t toi tous tout toute toutes tu un une vos votre vous y été a-t-on avons-nous
    ai-je as-tu avez-vous a-t-il y-a-t-il est-ce sont-ils""".split()  # noqa: SIM905
)
"""Words that need not be explained by a column or a value."""
