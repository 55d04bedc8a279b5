"""A hospital drops a source's real files in and is done: each shipped mapping, end to end."""

from pathlib import Path

import pytest

from medmip.harmonise import SHIPPED, coverage, read_mapping
from medmip.harmonise.mapping_file import shipped_mapping
from tests.harmonise import cohort
from tests.harmonise.cohort import AGES, BROAD, SEXES, write_csv
from tests.harmonise.conftest import MODELS

NUMBERS = ["1", "2", "3", "4"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_mapping_is_valid_and_fills_variables_that_exist(name):
    mapping = shipped_mapping(name).mapping
    model = MODELS["dementia_longitudinal:1.0" if "longitudinal" in name else "dementia:1.0"]
    assert set(mapping.columns) <= set(model.all_variables)
    assert model.patient_column in mapping.columns


def test_every_shipped_file_is_listed():
    import medmip.harmonise.shipped as shipped

    (folder,) = map(Path, shipped.__path__)
    assert sorted(file.stem for file in folder.glob("*.yaml")) == sorted(SHIPPED)


def test_adnimerge(published, folder, dementia):
    cohort.adnimerge(folder)
    found = published("adnimerge", dementia)
    assert found["subjectcode"] == NUMBERS
    assert found["subjectageyears"] == AGES
    assert found["subjectage"] == [70.3, 75.3, 80.3, 60.3]
    assert found["agegroup"] == ["70-79y", "70-79y", "+80y", "60-69y"]
    assert found["gender"] == SEXES
    assert found["apoe4"] == ["1", "2", "0", "1"]
    assert found["minimentalstate"] == [21, 26, 29, 30]
    assert found["ab1_42"] == [640.5, 880, 1700, 1210]
    assert found["t_tau"] == [80] * 4
    assert found["tiv"] == [1500.001, 1500.002, 1500.003, 1500.004]
    assert found["adnicategory"] == ["AD", "MCI", "CN", "CN"]


def test_adnimerge_by_year(published, folder, longitudinal):
    cohort.adnimerge(folder)
    found = published("adnimerge_longitudinal", longitudinal)
    assert found["subjectid"] == [number for number in NUMBERS for _ in range(2)]
    assert found["visitid"] == ["BL", "FL1"] * 4
    assert found["subjectage"][:2] == [70.3, 71.3]
    assert found["minimentalstate"][:2] == [21, 20]
    assert found["timesincebaseline"][:2] == [0, 12]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_ppmi(published, folder, dementia, ending):
    cohort.ppmi(folder / f"PPMI_Curated_Data_Cut_Public_20260511.{ending}")
    found = published("ppmi_curated", dementia)
    assert found["subjectcode"] == ["3001", "3002", "3003", "3004"]
    assert found["gender"] == SEXES
    assert found["handedness"] == ["L", "A", "R", "L"]
    assert found["apoe4"] == ["1", "2", "0", "1"]
    assert found["updrshy"] == [None, "2", "3", "4"]
    assert found["updrstotal"] == [31, 32, 33, 34]
    assert found["montrealcognitiveassessment"] == [17, 23, 28, None]
    assert found["ab1_42"] == [640.5, 880, None, 1210]
    assert found["parkinsonbroadcategory"] == ["CN", "CN", "CN", "PD"]
    assert found["ppmicategory"] == ["HC", "HC", "HC", "PD"]


def test_edsd(published, folder, dementia):
    rows = [
        {"subjectcode": f"e{n}", "gender": "F", "lefthippocampus": 3.1 + n, "edsdcategory": "CN"}
        for n in range(3)
    ]
    every = list(shipped_mapping("edsd").mapping.columns)
    write_csv(folder / "edsd.csv", [dict.fromkeys(every) | row for row in rows])
    found = published("edsd", dementia)
    assert found["lefthippocampus"] == [3.1, 4.1, 5.1]
    assert found["edsdcategory"] == ["CN"] * 3


@pytest.mark.parametrize("upper", [False, True])
def test_i2b2(published, folder, dementia, upper):
    cohort.i2b2(folder, upper)
    found = published("i2b2", dementia)
    assert found["subjectcode"] == NUMBERS
    assert found["gender"] == SEXES
    assert found["subjectageyears"] == [70, 75, 80, 60]
    assert found["minimentalstate"] == [21, 26, 29, 30]
    assert found["lefthippocampus"] == [3.25] * 4
    assert found["alzheimerbroadcategory"] == BROAD


def test_omop(published, folder, dementia):
    cohort.omop(folder)
    found = published("omop_5_4", dementia)
    assert found["subjectcode"] == NUMBERS
    assert found["gender"] == SEXES
    assert found["subjectageyears"] == [70, 75, 80, 60]
    assert found["minimentalstate"] == [21, 26, 29, 30]
    assert found["montrealcognitiveassessment"] == [17, 23, 28, None]
    assert found["ab1_42"] == [640.5, 880, None, 1210]
    assert found["t_tau"] == [410, 300, 210, None]
    assert found["alzheimerbroadcategory"] == BROAD
    assert found["parkinsonbroadcategory"] == [None, None, None, "PD"]


def test_fhir(published, folder, dementia):
    cohort.fhir(folder)
    found = published("fhir_r4", dementia)
    assert found["subjectcode"] == ["pat-1", "pat-2", "pat-3", "pat-4"]
    assert found["gender"] == SEXES
    assert found["subjectageyears"] == [70, 75, 80, 60]
    assert found["minimentalstate"] == [21, 26, 29, 30]
    assert found["t_tau"] == [410, 300, 210, None]
    assert found["alzheimerbroadcategory"] == BROAD
    assert "Prefect" not in str(found)


def test_a_problem_leads_to_the_resource_it_is_in(home, folder, dementia):
    cohort.fhir(folder)
    path = folder / "Observation.001.ndjson"
    lines = path.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if '"value": 30,' in line)
    lines[place] = lines[place].replace('"value": 30,', '"value": 99,')
    path.write_text("\n".join(lines) + "\n")
    report = coverage([folder], read_mapping(Path("fhir_r4")), dementia, "ward", home=home).report
    (problem,) = report.problems
    assert (problem.file, problem.rows) == ("Observation.001.ndjson", (place + 1,))
    assert problem.column == "minimentalstate"
