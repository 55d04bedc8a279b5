"""The data manager's walk: from an untidy export to a dataset that a researcher analyses."""

import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from scipy import ndimage

from tests.browser.axe import violations
from tests.browser.conftest import served
from tests.imaging.person import person
from tests.untidy_export import MAPPING, NAME, PATIENTS, WHOLE, untidy

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("page", [(1280, 800)], ids=["1280"], indirect=True),
]
Picture = Callable[[str], None]
WARD = "ward.csv"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a demonstration, and the folder that its inbox is."""
    folder = tmp_path_factory.mktemp("house")
    with served("demo --alone", folder) as address:
        yield address, folder / "home" / "inbox"


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def told(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def fits_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def whole(page: Page, name: str, picture: Picture) -> None:
    """Keeps a picture of the whole page, however long, and finds nothing that keeps one out."""
    size = page.viewport_size
    assert size is not None
    height = int(page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    picture(name)
    page.set_viewport_size(size)
    assert fits_the_window(page)
    assert violations(page) == ""


def test_an_untidy_export_becomes_a_dataset_that_is_analysed_with_the_demonstrations(
    page: Page, house: tuple[str, Path], picture: Picture
) -> None:
    address, inbox = house
    page.goto(f"{address}/inbox")
    expect(page.get_by_role("heading", name="The inbox is empty")).to_be_visible()
    picture("inbox-1-empty")
    assert violations(page) == ""

    (inbox / NAME).write_bytes(untidy())
    row = told(page, NAME)
    expect(row.get_by_text("needs a choice")).to_be_visible(timeout=6_000)
    expect(row.get_by_role("cell", name=str(PATIENTS), exact=True)).to_be_visible()
    whole(page, "inbox-2-list", picture)

    row.get_by_role("link", name=NAME).click()
    expect(page.get_by_text("cp1252, semicolon between cells")).to_be_visible()
    reading = section(page, "How it is read")
    reading.get_by_role("textbox", name="Dataset").fill("memory-clinic")
    reading.get_by_role("button", name="Suggest a mapping").click()
    editor = reading.get_by_role("textbox", name="The mapping (YAML)")
    expect(editor).to_have_value(re.compile("minimentalstate: MMSE"))
    reading.get_by_role("button", name="What was suggested").click()
    expect(reading.get_by_role("table", name="What was suggested")).to_be_visible()
    whole(page, "inbox-3-suggestion", picture)

    editor.fill("mapping: nonsense")
    reading.get_by_role("button", name="Try it").click()
    expect(reading.get_by_role("alert").first).to_contain_text("mapping")
    editor.fill(MAPPING)
    reading.get_by_role("button", name="Try it").click()
    made = reading.get_by_role("table", name="What the mapping makes")
    expect(made.get_by_role("cell", name=re.compile(r"^TEM \(\d+\)$"))).to_be_visible()
    expect(reading.get_by_role("table", name="Some rows, before and after")).to_be_visible()
    whole(page, "inbox-4-coverage", picture)

    editor.fill(WHOLE)
    reading.get_by_role("button", name="Use it").click()
    publication = section(page, "Publication")
    expect(publication.get_by_text("It is clean.")).to_be_visible()
    quality = section(page, "Quality")
    quality.get_by_role("button", name="Judge it").click()
    expect(quality.get_by_text("memory-clinic: fit for publication")).to_be_visible()
    whole(page, "inbox-5-quality", picture)

    publication.get_by_role("button", name="Publish", exact=True).click()
    expect(publication.get_by_text("What lies in the inbox is published.")).to_be_visible()
    expect(publication.get_by_text("memory-clinic, version 1")).to_be_visible()

    page.get_by_role("link", name="Data", exact=True).click()
    page.get_by_role("link", name="Versions, card and policy of memory-clinic").click()
    card = section(page, "Card")
    expect(card.get_by_text("pseudonym").first).to_be_visible()
    whole(page, "inbox-6-dataset", picture)

    analysed_by_a_researcher(page, address)
    whole_text = page.locator("main").inner_text()
    assert "Lefèvre" not in whole_text


def analysed_by_a_researcher(page: Page, address: str) -> None:
    """A regression over the clinic's patients and the demonstration's together."""
    answer = page.request.post(
        f"{address}/api/v1/experiments",
        data={
            "algorithm": "linear_regression",
            "inputdata": {
                "data_model": "dementia:1.0",
                "datasets": ["memory-clinic", "edsd-synthetic"],
                "y": ["lefthippocampus"],
                "x": ["subjectageyears", "gender"],
            },
            "parameters": {},
        },
    )
    page.goto(f"{address}/experiments/{answer.json()['id']}")
    table = page.get_by_role("table", name="Coefficients")
    expect(table.get_by_role("cell", name="Age", exact=True)).to_be_visible()
    expect(page.get_by_text("memory-clinic").first).to_be_visible()


def test_names_and_birth_dates_are_dealt_with_before_publication(
    page: Page, house: tuple[str, Path], picture: Picture
) -> None:
    address, inbox = house
    lines = ["subjectcode,lastname,birthdate,visitdate,gender,lefthippocampus"]
    lines += [
        f"w{index},Name{index},{1940 + index % 20}-03-0{1 + index % 9},2024-05-17,"
        f"{'MF'[index % 2]},{2.4 + index % 9 / 10:.1f}"
        for index in range(60)
    ]
    (inbox / WARD).write_text("\n".join(lines))
    page.goto(f"{address}/inbox/{WARD}")
    reading = section(page, "How it is read")
    reading.get_by_role("textbox", name="Dataset").fill("ward")
    reading.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("has problems", exact=True)).to_be_visible()
    told_of = section(page, "Who could be told")
    problems = section(page, "Problems").get_by_role("table")
    expect(problems.get_by_role("cell", name="missing column")).to_have_count(0)
    expect(problems.get_by_role("cell", name="unknown column").first).to_be_visible()
    whole(page, "inbox-7-identifiers", picture)

    decide(page, told_of, "lastname", "Leave it out")
    decide(page, told_of, "visitdate", "Leave it out")
    decide(page, told_of, "birthdate", "Turn into an age")
    told_of.get_by_role("combobox", name="Variable").click()
    page.get_by_role("option", name="Age", exact=True).click()
    told_of.get_by_role("combobox", name="Age on the date in").click()
    page.get_by_role("option", name="visitdate").click()
    whole(page, "inbox-8-decisions", picture)
    told_of.get_by_role("button", name="Write into the policy").click()
    publication = section(page, "Publication")
    expect(publication.get_by_text("It is clean.")).to_be_visible()
    publication.get_by_role("button", name="Publish", exact=True).click()
    expect(publication.get_by_text("ward, version 1: 60 patients")).to_be_visible()

    page.goto(f"{address}/datasets/dementia:1.0/ward")
    editor = section(page, "Policy").get_by_role("textbox", name="The policy (TOML)")
    expect(editor).to_have_value(re.compile('drop = .*"lastname"'))

    editor.fill(f"{editor.input_value()}\n[access]\nroles = []\n")
    section(page, "Policy").get_by_role("button", name="Save").click()
    expect(section(page, "Policy").get_by_text("The dataset’s own policy.")).to_be_visible()
    codes = [entry["code"] for entry in page.request.get(f"{address}/api/v1/datasets").json()]
    assert "ward" not in codes
    a_policy_that_a_colleague_changed_meanwhile(page, address, picture)
    page.goto(f"{address}/datasets")
    expect(page.get_by_role("link", name="Versions, card and policy of ward")).to_be_visible()


def a_policy_that_a_colleague_changed_meanwhile(page: Page, address: str, picture: Picture) -> None:
    place = f"{address}/api/v1/policies/dementia:1.0/ward"
    policy = section(page, "Policy")
    editor = policy.get_by_role("textbox", name="The policy (TOML)")
    before = page.request.get(place).json()["text"]
    editor.fill(f"# mine\n{before}")
    page.request.put(place, data={"text": f"# theirs\n{before}"})
    policy.get_by_role("button", name="Save").click()
    expect(policy.get_by_role("alert")).to_contain_text("Somebody else")
    theirs = policy.get_by_role("textbox", name="What is in force now")
    expect(theirs).to_have_value(re.compile("^# theirs"))
    whole(page, "policy-conflict", picture)
    policy.get_by_role("button", name="Put mine in its place").click()
    expect(policy.get_by_text("Saved.")).to_be_visible()
    expect(policy.get_by_role("alert")).to_have_count(0)
    assert page.request.get(place).json()["text"].startswith("# mine")


def decide(page: Page, told_of: Locator, column: str, action: str) -> None:
    told_of.get_by_role("combobox", name=f"{column}: What is done").click()
    page.get_by_role("option", name=action).click()


def test_versions_are_compared_and_rolled_back(
    page: Page, house: tuple[str, Path], picture: Picture
) -> None:
    address, inbox = house
    page.goto(f"{address}/inbox/{NAME}")
    publication = section(page, "Publication")
    (inbox / NAME).write_bytes(untidy(PATIENTS + 40))
    expect(publication.get_by_text("The file has changed")).to_be_visible()
    publication.get_by_role("button", name="Publish", exact=True).click()
    expect(publication.get_by_text("memory-clinic, version 2: 160 patients")).to_be_visible()
    (inbox / NAME).unlink()
    expect(page.get_by_role("alert").get_by_text("no longer in the inbox")).to_be_visible()
    whole(page, "inbox-9-gone", picture)

    page.goto(f"{address}/datasets/dementia:1.0/memory-clinic")
    changes = section(page, "What changed")
    expect(changes.get_by_role("definition").first).to_have_text("40")
    versions = section(page, "Versions")
    whole(page, "inbox-10-versions", picture)
    versions.get_by_role("button", name="Make current: version 1").click()
    versions.get_by_role("button", name="Yes").click()
    current = versions.get_by_role("row").filter(has=page.get_by_text("current", exact=True))
    expect(current.get_by_role("cell").first).to_have_text("1")


def test_files_are_asked_by_sql_and_by_keys_alone(page: Page, house: tuple[str, Path]) -> None:
    address, inbox = house
    (inbox / "labs.csv").write_text("pid,value\n1,2\n2,4\n")
    page.goto(f"{address}/inbox")
    expect(told(page, "labs.csv")).to_be_visible()
    page.get_by_role("button", name="Ask the files by SQL").focus()
    page.keyboard.press("Enter")
    page.get_by_role("textbox", name="Query").focus()
    page.keyboard.type("select sum(value) as total from labs")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    answer = page.get_by_role("table", name="Answer")
    expect(answer.get_by_role("cell", name="6")).to_be_visible()
    page.get_by_role("textbox", name="Query").fill("select nothing from labs")
    page.get_by_role("button", name="Ask", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nothing")
    assert violations(page) == ""


def test_scans_that_are_dropped_are_told_with_their_verdicts(
    page: Page, house: tuple[str, Path], picture: Picture, tmp_path: Path
) -> None:
    address, inbox = house
    page.goto(f"{address}/scans")
    expect(page.get_by_role("heading", name="There are no scans")).to_be_visible()
    volume = tmp_path / "volume.nii.gz"
    seen, finer = person().scan, 1.6
    voxels = ndimage.zoom(seen.voxels, finer, order=1, grid_mode=True, mode="nearest")
    steps = np.diag([1 / finer] * 3 + [1])
    nib.Nifti1Image(voxels.astype(np.int16), seen.affine @ steps).to_filename(volume)
    with zipfile.ZipFile(tmp_path / "disc.zip", "w") as archive:
        archive.write(volume, "sub-A7/anat/sub-A7_T1w.nii.gz")
        archive.write(volume, "sub-A7/func/sub-A7_bold.nii.gz")
        archive.writestr("IM1.dcm", "no DICOM at all")
    shutil.copy(tmp_path / "disc.zip", inbox / "imaging" / "disc.zip")
    lying = page.get_by_role("row").filter(has=page.get_by_role("cell", name="disc.zip"))
    found = lying.get_by_text("1 taken, 1 left out, 1 refused; 3 of them new")
    expect(found).to_be_visible(timeout=60_000)
    kept = page.get_by_role("table", name="Kept and judged")
    size = " × ".join(map(str, voxels.shape))
    expect(kept.get_by_text(f"{size} voxels of ")).to_be_visible()
    whole(page, "scans-1-list", picture)
    page.get_by_role("combobox", name="Verdict").click()
    page.get_by_role("option", name="left out").click()
    expect(kept.get_by_text("its name does not end in _T1w")).to_be_visible()
    expect(kept.get_by_role("row")).to_have_count(2)
