"""What an acceptance test found, and as a page."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: whether it is as it should be, what was found, what to do."""

    name: str
    passed: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What an acceptance test found."""

    name: str
    made: datetime
    version: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def told(self) -> dict[str, object]:
        """The report as JSON has it."""
        return {
            "name": self.name,
            "made": self.made.isoformat(),
            "version": self.version,
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
        }

    def as_json(self) -> str:
        return json.dumps(self.told(), indent=2, ensure_ascii=False) + "\n"

    def as_html(self) -> str:
        """A page that stands alone; the same for machines is within it."""
        rows = "".join(
            f'<tr class="{"pass" if one.passed else "fail"}"><td>{"pass" if one.passed else "FAIL"}'
            f"</td><td>{escape(one.name)}</td><td>{escape(one.found)}</td>"
            f"<td>{escape('' if one.passed else one.remedy)}</td></tr>"
            for one in self.checks
        )
        # No text of a check ends the script.
        machines = json.dumps(self.told()).replace("<", "\\u003c")
        failed = sum(not check.passed for check in self.checks)
        verdict = "passed" if self.passed else f"failed in {failed} of {len(self.checks)} points"
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f"<title>Acceptance test of {escape(self.name)}</title>"
            "<style>body{font:16px sans-serif;max-width:70em;margin:2em auto}"
            "td,th{text-align:left;padding:.3em .6em;border-bottom:1px solid #ccc;"
            "vertical-align:top}.fail td{background:#fbe3e3}</style>"
            f"<h1>{escape(self.name)}: {verdict}</h1>"
            f"<p>{self.made:%d %B %Y %H:%M} UTC, MIP {escape(self.version)}</p>"
            "<table><tr><th></th><th>What</th><th>Found</th><th>What to do</th></tr>"
            f'{rows}</table><script type="application/json" id="report">{machines}</script>'
            "</html>\n"
        )
