"""One invented cohort in the shapes in which hospitals and studies hold it."""

import csv
import json

PATIENTS = [
    # number, sex, birth date, first visit, diagnosis, mmse, moca, abeta, tau
    (1, "M", "1950-02-01", "2020-02-01", "AD", 21, 17, 640.5, 410),
    (2, "F", "1944-07-15", "2020-03-10", "MCI", 26, 23, 880, 300),
    (3, "F", "1939-12-31", "2019-12-31", None, 29, 28, None, 210),
    (4, "M", "1960-06-30", "2021-06-29", "PD", 30, None, 1210, None),
]
AGES = [70, 75, 80, 60]
SEXES = ["M", "F", "F", "M"]
BROAD = ["AD", "MCI", None, None]


def write_csv(path, rows, delimiter=","):
    """Rows are dictionaries of the same keys; None is an empty cell."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_ndjson(path, resources):
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))


def adnimerge(folder):
    """ADNIMERGE.csv: a row for each visit, its published columns in their order."""
    names = [
        "RID",
        "COLPROT",
        "ORIGPROT",
        "PTID",
        "SITE",
        "VISCODE",
        "EXAMDATE",
        "DX_bl",
        "AGE",
        "PTGENDER",
        "PTEDUCAT",
        "PTETHCAT",
        "PTRACCAT",
        "PTMARRY",
        "APOE4",
        "FDG",
        "PIB",
        "AV45",
        "FBB",
        "ABETA",
        "TAU",
        "PTAU",
        "CDRSB",
        "ADAS11",
        "ADAS13",
        "ADASQ4",
        "MMSE",
        "MOCA",
        "Ventricles",
        "Hippocampus",
        "WholeBrain",
        "Entorhinal",
        "Fusiform",
        "MidTemp",
        "ICV",
        "DX",
        "EXAMDATE_bl",
        "Years_bl",
        "Month_bl",
        "Month",
        "M",
    ]
    rows = []
    for number, sex, _, _, diagnosis, mmse, moca, abeta, _tau in PATIENTS:
        for visit, months in (("bl", 0), ("m06", 6), ("m12", 12)):
            row = dict.fromkeys(names) | {
                "RID": number, "PTID": f"011_S_{number:04}", "VISCODE": visit,
                "EXAMDATE": "2020-01-01", "AGE": AGES[number - 1] + 0.3,
                "PTGENDER": {"M": "Male", "F": "Female"}[sex], "APOE4": number % 3,
                "FDG": 1.1, "AV45": 1.2, "ABETA": ">1700" if abeta is None else abeta,
                "TAU": "<80", "PTAU": 21.5, "MMSE": mmse - months // 12, "MOCA": moca,
                "Hippocampus": 7000, "ICV": 1_500_000 + number, "Month_bl": months,
                "Years_bl": months / 12,
                "DX": {"AD": "Dementia", "MCI": "MCI"}.get(diagnosis, "CN"),
            }  # fmt: skip
            rows.append(row)
    write_csv(folder / "ADNIMERGE_18Feb2025.csv", rows)


def ppmi(path):
    """The curated data cut's rows, as cells of a sheet or a CSV file."""
    rows = []
    for number, sex, _, _, diagnosis, _, moca, abeta, tau in PATIENTS:
        rows += [
                {
                    "PATNO": 3000 + number, "SITE": 1, "COHORT": 1 if diagnosis == "PD" else 2,
                    "subgroup": ".", "EVENT_ID": visit, "YEAR": 0, "visit_date": "01/2020",
                    "age_at_visit": AGES[number - 1] + 0.5, "SEX": int(sex == "M"),
                    "EDUCYRS": 16, "handed": 1 + number % 3, "APOE": ["e3/e3", "e3/e4", "e4/e4"][number % 3],  # noqa: E501
                    "hy": 0 if number == 1 else number, "updrs_totscore": 30 + number,
                    "moca": "." if moca is None else moca, "abeta": "." if abeta is None else abeta,
                    "tau": "." if tau is None else tau, "ptau": ".",
                }
            for visit in ("BL", "V04")
        ]  # fmt: skip
    if path.suffix == ".csv":
        write_csv(path, rows)
        return
    import xlsxwriter

    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet("20260511")
        for place, name in enumerate(rows[0]):
            sheet.write(0, place, name)
            for line, row in enumerate(rows, 1):
                sheet.write(line, place, row[name])
        book.add_worksheet("Data dictionary").write(0, 0, "Variable")


def i2b2(folder, upper=False):
    """The four tables of the star schema; a database may write their names in upper case."""
    facts, patients, visits, concepts = [], [], [], []
    for number, sex, birth, visit, diagnosis, mmse, *_ in PATIENTS:
        patients.append(
            {"patient_num": number, "vital_status_cd": "N", "birth_date": f"{birth} 00:00:00",
             "death_date": None, "sex_cd": sex, "age_in_years_num": None}
        )  # fmt: skip
        for later in (0, 1):
            start = f"{int(visit[:4]) + later}{visit[4:]} 09:30:00"
            encounter = 100 * number + later
            visits.append(
                {"encounter_num": encounter, "patient_num": number, "active_status_cd": "F",
                 "start_date": start, "end_date": None, "inout_cd": "O"}
            )  # fmt: skip
            values = [("minimentalstate", "N", None, mmse - later, None)]
            values += [("lefthippocampus", "N", None, 3.25 - later, "cm3")]
            if diagnosis in ("AD", "MCI"):
                values += [("alzheimerbroadcategory", "T", diagnosis, None, None)]
            for concept, kind, text, amount, unit in values:
                facts.append(
                    {"encounter_num": encounter, "patient_num": number, "concept_cd": concept,
                     "provider_id": "@", "start_date": start, "modifier_cd": "@",
                     "instance_num": 1, "valtype_cd": kind, "tval_char": text,
                     "nval_num": amount, "units_cd": unit, "observation_blob": None}
                )  # fmt: skip
    for code, label in (
        ("minimentalstate", "MMSE total"),
        ("lefthippocampus", "Left hippocampus"),
        ("alzheimerbroadcategory", "Alzheimer broad category"),
    ):
        concepts.append({"concept_path": f"/CDE/{code}/", "concept_cd": code, "name_char": label})
    for name, rows in (
        ("observation_fact", facts),
        ("patient_dimension", patients),
        ("visit_dimension", visits),
        ("concept_dimension", concepts),
    ):
        cased = [{k.upper(): v for k, v in row.items()} for row in rows] if upper else rows
        write_csv(folder / f"{name}.csv", cased)


CONCEPTS = [
    (1001, "MMSE total", "Measurement", "LOINC", "72106-8"),
    (1002, "MoCA total", "Measurement", "LOINC", "72172-0"),
    (1003, "Amyloid beta 42 in CSF", "Measurement", "LOINC", "33203-1"),
    (1004, "Tau in CSF", "Measurement", "LOINC", "30160-6"),
    (1005, "Somebody's \"quoted concept", "Observation", "LOINC", "1-8"),
    (2001, "Alzheimer's disease", "Condition", "SNOMED", "26929004"),
    (2002, "Mild cognitive disorder", "Condition", "SNOMED", "386805003"),
    (2003, "Parkinson's disease", "Condition", "SNOMED", "49049000"),
]
_DIAGNOSES = {"AD": 2001, "MCI": 2002, "PD": 2003}


def omop(folder):
    """Tables of the CDM 5.4, with the vocabulary's concepts in tabs as Athena writes them."""
    persons, visits, measurements, conditions = [], [], [], []
    for number, sex, birth, visit, diagnosis, mmse, moca, abeta, tau in PATIENTS:
        year, month, day = birth.split("-")
        persons.append(
            {"person_id": number, "gender_concept_id": 8507 if sex == "M" else 8532,
             "year_of_birth": year, "month_of_birth": int(month), "day_of_birth": int(day),
             "birth_datetime": None, "race_concept_id": 0, "ethnicity_concept_id": 0}
        )  # fmt: skip
        for later in (0, 1):
            date = f"{int(visit[:4]) + later}{visit[4:]}"
            occurrence = 10 * number + later
            visits.append(
                {"visit_occurrence_id": occurrence, "person_id": number,
                 "visit_concept_id": 9202, "visit_start_date": date, "visit_end_date": date,
                 "visit_type_concept_id": 44818518}
            )  # fmt: skip
            values = [(1001, mmse - later, None), (1002, moca, None)]
            values += [
                (1003, None if abeta is None else abeta / 1000, "ng/mL"),
                (1004, tau, "pg/mL"),
            ]
            for concept, value, unit in values:
                if value is not None:
                    measurements.append(
                        {"measurement_id": len(measurements), "person_id": number,
                         "measurement_concept_id": concept, "measurement_date": date,
                         "value_as_number": value, "value_as_concept_id": None,
                         "unit_concept_id": None, "visit_occurrence_id": occurrence,
                         "unit_source_value": unit}
                    )  # fmt: skip
        if diagnosis:
            conditions.append(
                {"condition_occurrence_id": number, "person_id": number,
                 "condition_concept_id": _DIAGNOSES[diagnosis],
                 "condition_start_date": visit, "condition_type_concept_id": 32817}
            )  # fmt: skip
    write_csv(folder / "person.csv", persons)
    write_csv(folder / "visit_occurrence.csv", visits)
    write_csv(folder / "measurement.csv", measurements)
    write_csv(folder / "condition_occurrence.csv", conditions)
    write_csv(
        folder / "drug_exposure.csv",
        [{"drug_exposure_id": 1, "person_id": 1, "drug_concept_id": 0}],
    )
    lines = ["concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_code\tinvalid_reason"]
    lines += ["\t".join(map(str, (*concept, ""))) for concept in CONCEPTS]
    (folder / "CONCEPT.csv").write_text("\n".join(lines) + "\n")


def _coding(system, code):
    return {"coding": [{"system": system, "code": code}]}


def fhir(folder):
    """A bulk export: a file for each resource type, the observations in two."""
    patients, encounters, observations, conditions = [], [], [], []
    for number, sex, birth, visit, diagnosis, mmse, moca, abeta, tau in PATIENTS:
        name = f"pat-{number}"
        subject = {"reference": f"Patient/{name}"}
        patients.append(
            {"resourceType": "Patient", "id": name, "birthDate": birth,
             "gender": {"M": "male", "F": "female"}[sex],
             "name": [{"family": "Prefect", "given": ["Ford"]}]}
        )  # fmt: skip
        for later in (0, 1):
            start = f"{int(visit[:4]) + later}{visit[4:]}T09:30:00+01:00"
            encounter = f"enc-{number}-{later}"
            encounters.append(
                {"resourceType": "Encounter", "id": encounter, "status": "finished",
                 "class": {"code": "AMB"}, "subject": subject, "period": {"start": start}}
            )  # fmt: skip
            for code, value, unit in (
                ("72106-8", mmse - later, "{score}"),
                ("72172-0", moca, "{score}"),
                ("33203-1", abeta, "pg/mL"),
                ("30160-6", tau, "ng/L"),
            ):
                if value is not None:
                    observations.append(
                        {"resourceType": "Observation", "id": f"obs-{len(observations)}",
                         "status": "final", "subject": subject, "effectiveDateTime": start,
                         "encounter": {"reference": f"Encounter/{encounter}"},
                         "code": _coding("http://loinc.org", code),
                         "valueQuantity": {"value": value, "code": unit}}
                    )  # fmt: skip
        wrong = {"resourceType": "Observation", "id": f"bad-{number}", "subject": subject,
                 "status": "entered-in-error", "effectiveDateTime": "2000-01-01",
                 "code": _coding("http://loinc.org", "72106-8"),
                 "valueQuantity": {"value": 3}}  # fmt: skip
        observations.append(wrong)
        if diagnosis:
            code = {"AD": "26929004", "MCI": "386805003", "PD": "49049000"}[diagnosis]
            conditions.append(
                {"resourceType": "Condition", "id": f"con-{number}", "subject": subject,
                 "code": _coding("http://snomed.info/sct", code),
                 "verificationStatus": _coding("", "confirmed")}
            )  # fmt: skip
    conditions.append(
        {"resourceType": "Condition", "id": "con-refuted", "subject": {"reference": "Patient/pat-3"},  # noqa: E501
         "code": _coding("http://snomed.info/sct", "26929004"),
         "verificationStatus": _coding("", "refuted")}
    )  # fmt: skip
    write_ndjson(folder / "Patient.000.ndjson", patients)
    write_ndjson(folder / "Encounter.000.ndjson", encounters)
    half = len(observations) // 2
    write_ndjson(folder / "Observation.000.ndjson", observations[:half])
    write_ndjson(folder / "Observation.001.ndjson", observations[half:])
    write_ndjson(folder / "Condition.000.ndjson", conditions)
