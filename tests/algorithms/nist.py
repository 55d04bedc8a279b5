"""Certified data and values of the NIST Statistical Reference Datasets, and digits of agreement.

Source: https://www.itl.nist.gov/div898/strd/ (Longley, Filip, Wampler1-5; SiRstv, AtmWtAg,
SmLs01-09). Wampler's and Simon-Lesage's sets are made by their published rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Regression:
    """x is (n, p) without the intercept; estimates and errors start with the intercept."""

    name: str
    y: np.ndarray
    x: np.ndarray
    estimates: tuple[float, ...]
    errors: tuple[float, ...]
    residual_sd: float
    r_squared: float


@dataclass(frozen=True)
class Groups:
    """A one-way layout, values by group, with its certified analysis of variance."""

    name: str
    values: tuple[np.ndarray, ...]
    between: float
    within: float
    f: float
    r_squared: float


def digits(found: float, certified: float) -> float:
    """The log relative error: the number of right significant digits, at most 15."""
    if found == certified:
        return 15.0
    error = abs(found - certified)
    return float(min(15.0, max(0.0, -np.log10(error / abs(certified) if certified else error))))


def fewest(found: Sequence[float], certified: Sequence[float]) -> float:
    return min(digits(a, b) for a, b in zip(found, certified, strict=True))


_LONGLEY = """
60323 83.0 234289 2356 1590 107608 1947
61122 88.5 259426 2325 1456 108632 1948
60171 88.2 258054 3682 1616 109773 1949
61187 89.5 284599 3351 1650 110929 1950
63221 96.2 328975 2099 3099 112075 1951
63639 98.1 346999 1932 3594 113270 1952
64989 99.0 365385 1870 3547 115094 1953
63761 100.0 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962
"""

_FILIP = """
0.8116 -6.860120914 0.9072 -4.324130045 0.9052 -4.358625055 0.9039 -4.358426747
0.8053 -6.955852379 0.8377 -6.661145254 0.8667 -6.355462942 0.8809 -6.118102026
0.7975 -7.115148017 0.8162 -6.815308569 0.8515 -6.519993057 0.8766 -6.204119983
0.8885 -5.853871964 0.8859 -6.109523091 0.8959 -5.79832982 0.8913 -5.482672118
0.8959 -5.171791386 0.8971 -4.851705903 0.9021 -4.517126416 0.909 -4.143573228
0.9139 -3.709075441 0.9199 -3.499489089 0.8692 -6.300769497 0.8872 -5.953504836
0.89 -5.642065153 0.891 -5.031376979 0.8977 -4.680685696 0.9035 -4.329846955
0.9078 -3.928486195 0.7675 -8.56735134 0.7705 -8.363211311 0.7713 -8.107682739
0.7736 -7.823908741 0.7775 -7.522878745 0.7841 -7.218819279 0.7971 -6.920818754
0.8329 -6.628932138 0.8641 -6.323946875 0.8804 -5.991399828 0.7668 -8.781464495
0.7633 -8.663140179 0.7678 -8.473531488 0.7697 -8.247337057 0.77 -7.971428747
0.7749 -7.676129393 0.7796 -7.352812702 0.7897 -7.072065318 0.8131 -6.774174009
0.8498 -6.478861916 0.8741 -6.159517513 0.8061 -6.835647144 0.846 -6.53165267
0.8751 -6.224098421 0.8856 -5.910094889 0.8919 -5.598599459 0.8934 -5.290645224
0.894 -4.974284616 0.8957 -4.64454848 0.9047 -4.290560426 0.9129 -3.885055584
0.9209 -3.408378962 0.9219 -3.13200249 0.7739 -8.726767166 0.7681 -8.66695597
0.7665 -8.511026475 0.7703 -8.165388579 0.7702 -7.886056648 0.7761 -7.588043762
0.7809 -7.283412422 0.7961 -6.995678626 0.8253 -6.691862621 0.8602 -6.392544977
0.8809 -6.067374056 0.8301 -6.684029655 0.8664 -6.378719832 0.8834 -6.065855188
0.8898 -5.752272167 0.8964 -5.132414673 0.8963 -4.811352704 0.9074 -4.098269308
0.9119 -3.66174277 0.9228 -3.2644011
"""

_HALF = (759.0, -2048.0, 2048.0, -2048.0, 2523.0, -2048.0, 2048.0, -2048.0, 1838.0, -2048.0)
_WAMPLER_ERRORS = np.array([*_HALF, 2048.0, *reversed(_HALF)])
_WAMPLER_SD = (
    2152.32624678170,
    2363.55173469681,
    779.343524331583,
    101.475507550350,
    5.64566512170752,
    0.112324854679312,
)


def regressions() -> list[Regression]:
    longley = np.array(_LONGLEY.split(), dtype=float).reshape(-1, 7)
    filip = np.array(_FILIP.split(), dtype=float).reshape(-1, 2)
    return [
        Regression(
            "Longley",
            longley[:, 0],
            longley[:, 1:],
            (
                -3482258.63459582,
                15.0618722713733,
                -0.0358191792925910,
                -2.02022980381683,
                -1.03322686717359,
                -0.0511041056535807,
                1829.15146461355,
            ),
            (
                890420.383607373,
                84.9149257747669,
                0.0334910077722432,
                0.488399681651699,
                0.214274163161675,
                0.226073200069370,
                455.478499142212,
            ),
            304.854073561965,
            0.995479004577296,
        ),
        Regression(
            "Filip",
            filip[:, 0],
            np.column_stack([filip[:, 1] ** power for power in range(1, 11)]),
            (
                -1467.48961422980,
                -2772.17959193342,
                -2316.37108160893,
                -1127.97394098372,
                -354.478233703349,
                -75.1242017393757,
                -10.8753180355343,
                -1.06221498588947,
                -0.0670191154593408,
                -0.00246781078275479,
                -0.0000402962525080404,
            ),
            (
                298.084530995537,
                559.779865474950,
                466.477572127796,
                227.204274477751,
                71.6478660875927,
                15.2897178747400,
                2.23691159816033,
                0.221624321934227,
                0.0142363763154724,
                0.000535617408889821,
                0.00000896632837373868,
            ),
            0.00334801051324544,
            0.996727416185620,
        ),
        _wampler("Wampler1", 1.0, 0.0, 0.0, 1.0),
        _wampler("Wampler2", 0.1, 0.0, 0.0, 1.0),
        _wampler("Wampler3", 1.0, 1.0, 2360.14502379268, 0.999995559025820),
        _wampler("Wampler4", 1.0, 100.0, 236014.502379268, 0.957478440825662),
        _wampler("Wampler5", 1.0, 10000.0, 23601450.2379268, 0.00224668921574940),
    ]


def _wampler(
    name: str, base: float, noise: float, residual_sd: float, r_squared: float
) -> Regression:
    x = np.arange(21.0)
    powers = np.column_stack([x**power for power in range(1, 6)])
    # The sum of (base x)^k, rounded once.
    if base == 1.0:
        y = 1.0 + powers.sum(axis=1)
    else:
        y = np.array([sum(int(v) ** k * 10 ** (5 - k) for k in range(6)) / 10**5 for v in x])
    return Regression(
        name,
        y + noise * _WAMPLER_ERRORS,
        powers,
        tuple(base**power for power in range(6)),
        tuple(noise * error for error in _WAMPLER_SD),
        residual_sd,
        r_squared,
    )


_SIRSTV = (
    (196.3052, 196.1240, 196.1890, 196.2569, 196.3403),
    (196.3042, 196.3825, 196.1669, 196.3257, 196.0422),
    (196.1303, 196.2005, 196.2889, 196.0343, 196.1811),
    (196.2795, 196.1748, 196.1494, 196.1485, 195.9885),
    (196.2119, 196.1051, 196.1850, 196.0052, 196.2090),
)

_ATMWTAG = (
    """
    107.8681568 107.8681465 107.8681572 107.8681785 107.8681446 107.8681903 107.8681526
    107.8681494 107.8681616 107.8681587 107.8681519 107.8681486 107.8681419 107.8681569
    107.8681508 107.8681672 107.8681385 107.8681518 107.8681662 107.8681424 107.8681360
    107.8681333 107.8681610 107.8681477
    """,
    """
    107.8681079 107.8681344 107.8681513 107.8681197 107.8681604 107.8681385 107.8681642
    107.8681365 107.8681151 107.8681082 107.8681517 107.8681448 107.8681198 107.8681482
    107.8681334 107.8681609 107.8681101 107.8681512 107.8681469 107.8681360 107.8681254
    107.8681261 107.8681450 107.8681368
    """,
)


def layouts() -> list[Groups]:
    sets = [
        Groups(
            "SiRstv",
            tuple(np.array(group) for group in _SIRSTV),
            0.0511462616000000,
            0.216636560000000,
            1.18046237440255,
            0.190999039051129,
        ),
        Groups(
            "AtmWtAg",
            tuple(np.array(group.split(), dtype=float) for group in _ATMWTAG),
            3.63834187500000e-09,
            1.04951729166667e-08,
            15.9467335677930,
            0.257426544538321,
        ),
    ]
    certified = {
        21: (1.68, 1.8, 21.0, 0.482758620689655),
        201: (16.08, 18.0, 201.0, 0.471830985915493),
        2001: (160.08, 180.0, 2001.0, 0.470712773465067),
    }
    for block, lead in enumerate(("1", "1000000", "1000000000000")):
        for place, (size, values) in enumerate(certified.items()):
            name = f"SmLs0{3 * block + place + 1}"
            sets.append(Groups(name, _simon_lesage(lead, size), *values))
    return sets


def _simon_lesage(lead: str, size: int) -> tuple[np.ndarray, ...]:
    """Nine groups about .4, .3 and .5; in each the middle value, then one tenth below and above."""
    groups = []
    for middle in (4, 3, 5, 3, 5, 3, 5, 3, 5):
        tenths = [middle, *([middle - 1, middle + 1] * (size // 2))]
        groups.append(np.array([float(f"{lead}.{tenth}") for tenth in tenths]))
    return tuple(groups)
