"""A hospital's export as it comes: dates, names, codes of its own, wrong units, decimal commas."""

import random

NAME = "export clinique mémoire.csv"
PATIENTS = 120
FIRST_NAMES = ("Émile", "Zoé", "Côme", "Agnès", "Gaël", "Irène")
LAST_NAMES = ("Lefèvre", "Béranger", "Müller", "Dupré", "Nguyên", "Favre")
MAPPING = """\
mapping: "1"
name: Export de la clinique de la mémoire
sources:
  export: {file: "export*.csv", decimal: comma}
rows: {from: export}
columns:
  subjectcode: "N° patient"
  gender: {column: Sexe, codes: {H: M, F: F}}
  subjectageyears:
    expression: >-
      full_years(date_of("Date de naissance", '%d.%m.%Y'), date_of("Date d'examen", '%d.%m.%Y'))
  minimentalstate: MMSE
  alzheimerbroadcategory: {column: Diagnostic, codes: {MA: AD, TCL: MCI}}
  lefthippocampus: {column: Hippocampe gauche, unit: mm3}
  righthippocampus: {column: Hippocampe droit, unit: mm3}
ignored: [Nom, Prénom, Courriel, Remarque]
"""
"""A first try: it does not know the code TEM, a healthy control."""
WHOLE = MAPPING.replace("{MA: AD, TCL: MCI}", "{MA: AD, TCL: MCI, TEM: CN}")


def untidy(patients: int = PATIENTS, seed: int = 7) -> bytes:
    """The file's bytes in Windows-1252, cells between semicolons."""
    chance = random.Random(seed)
    lines = [
        "N° patient;Nom;Prénom;Courriel;Date de naissance;Date d'examen;Sexe;MMSE;Diagnostic;"
        "Hippocampe gauche;Hippocampe droit;Remarque"
    ]
    for index in range(patients):
        last, first = chance.choice(LAST_NAMES), chance.choice(FIRST_NAMES)
        diagnosis = chance.choice(("MA", "TCL", "TEM"))
        left = chance.gauss({"MA": 2450, "TCL": 2800, "TEM": 3150}[diagnosis], 240)
        born = f"{chance.randint(1, 28):02}.{chance.randint(1, 12):02}.{chance.randint(1938, 1962)}"
        seen = f"{chance.randint(1, 28):02}.{chance.randint(1, 12):02}.2024"
        mmse = chance.randint(*{"MA": (12, 24), "TCL": (22, 28), "TEM": (26, 30)}[diagnosis])
        cells = (
            f"P-{10_000 + index}",
            last,
            first,
            f"{index}@clinique.example",
            born,
            seen,
            chance.choice("HF"),
            str(mmse),
            diagnosis,
            f"{left:.1f}".replace(".", ","),
            f"{left * chance.gauss(1.02, 0.03):.1f}".replace(".", ","),
            f"vu par Dr {last}" if chance.random() < 0.2 else "",
        )
        lines.append(";".join(cells))
    return ("\r\n".join(lines) + "\r\n").encode("cp1252")
