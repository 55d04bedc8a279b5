"""Measures a scan until a step is done, and says what became of it: `HOME SCAN STEP`.

In a process of its own, for the home lies on a disk that the test mounts for it alone. The scan is
shelved where it is not there yet.
"""

import sys
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.imaging.errors import ImagingError
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.apart import measured_apart
from medmip.imaging.volumetry.choice import SettingName
from tests.imaging.person import shelve

home, scan, last = Home(Path(sys.argv[1])), *sys.argv[2:]
if not home.imaging.exists():
    home.prepare()
    home.configuration.write_text(
        "[imaging]\nkeep_faces = true\n[imaging.measuring]\nfree_megabytes = 0\n"
    )
    shelve(Shelf(home), scan)
try:
    for line in measured_apart(home, scan, None, SettingName.FAST):
        if line.seconds is not None:
            print(line.step, "anew" if line.anew else "kept")
            if line.step == last:
                break
except ImagingError as error:
    print(type(error).__name__, str(error).splitlines()[0])
