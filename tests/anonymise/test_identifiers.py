"""Direct identifiers are found by name and by look, and told without a value."""

import pytest

from medmip.anonymise.identifiers import Source, identifiers, suspicious_name
from medmip.anonymise.settings import Anonymisation
from medmip.ingest.session import Session
from tests.anonymise.cohort import COHORT

INVENTED = {
    "e-mail": ["zaphod@example.org", "t.mcmillan@mail.example.com"],
    "telephone": ["+41 79 123 45 67", "0049 30 1234567"],
    "Swiss social": ["756.1234.5678.97"],
    "French social": ["1 85 05 78 006 084 36"],
    "social security": ["123-45-6789"],
    "NHS": ["943 476 5919"],
    "Nordic": ["811228-9874"],
    "Italian": ["RSSMRA85T10A562S"],
    "dates": ["2020-03-04", "04.03.2020", "3/4/2020"],
    "names": ["Dr. Beeblebrox came", "Mme Trillian"],
    "web": ["see https://example.org/x"],
}


@pytest.fixture
def found(tmp_path):
    def finding(cells, name="remark", is_key=False, **settings):
        session = Session(tmp_path, "256MB")
        session.run("CREATE TABLE cells AS SELECT unnest(?::VARCHAR[]) AS c0", [cells])
        sources = [Source(name, "c0", COHORT.all_variables.get(name), is_key)]
        rules = Anonymisation.model_validate(settings)
        findings = list(identifiers(session, "cells", sources, rules))
        session.close()
        return findings

    return finding


@pytest.mark.parametrize("kind", INVENTED)
def test_what_names_a_patient_is_found_by_its_look(found, kind):
    for cell in INVENTED[kind]:
        told = found(["nothing", None, cell])
        assert any(kind in finding.rule and finding.count == 1 for finding in told), (cell, told)
        assert not any(cell in finding.rule for finding in told)


def test_free_text_is_refused_until_somebody_calls_it_harmless(found):
    assert "free text" in found(["feels well"])[0].rule
    assert "free text" in found(["1.5", "feels well"])[0].rule
    assert found(["1.5", "2,5", "-3e2", None]) == []
    (named,) = found(["feels well"], name="phone")
    assert "telephone" in named.rule
    assert found(["feels well"], harmless=["remark"]) == []
    assert found([None, None]) == []


def test_a_certain_identifier_is_refused_in_a_harmless_column(found):
    (told,) = found(["ask zaphod@example.org"], harmless=["remark"])
    assert "e-mail" in told.rule


def test_dropped_columns_are_not_looked_at(found):
    assert found(["zaphod@example.org"], drop=["remark"]) == []


def test_patients_codes_that_are_kept_are_looked_at(found):
    kept = {"name": "subjectcode", "is_key": True, "patient_codes": "keep"}
    assert "hospital numbers" in found(["1234567", "2345678"], **kept)[0].rule
    assert "persons' names" in found(["Dent, Arthur", "Prefect, Ford"], **kept)[0].rule
    assert found(["p1", "p2"], **kept) == []
    assert found(["1234567"], name="subjectcode", is_key=True) == []


@pytest.mark.parametrize(
    "name",
    ["LastName", "nom", "Prénom", "date_of_birth", "geburtsdatum", "e-mail", "Tel", "patient_name",
     "zip_code", "MRN", "ahv_nr_x_ssn", "visitDate", "address1_street"],
)  # fmt: skip
def test_a_columns_name_gives_it_away(name):
    assert suspicious_name(name)


@pytest.mark.parametrize("name", sorted(COHORT.all_variables.keys() - {"visitdate"}))
def test_a_variables_name_does_not(name):
    assert suspicious_name(name) is None


def test_no_variable_of_the_shipped_models_is_suspected():
    from medmip.catalogue.model_store import shipped_models

    names = {name for model in shipped_models() for name in model.all_variables}
    assert {name for name in names if suspicious_name(name)} == set()
