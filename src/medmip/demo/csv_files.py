"""The demonstration's files, as a hospital would drop them."""

from pathlib import Path

from medmip.demo.synthetic import synthetic_cohorts


def write_demo_csvs(folder: Path) -> list[Path]:
    """Write `<dataset>.csv` of each synthetic cohort into a folder; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for cohort in synthetic_cohorts():
        path = folder / f"{cohort.dataset}.csv"
        path.write_text(cohort.csv(), encoding="utf-8", newline="\n")
        written.append(path)
    return written
