"""`import bayeslme` stays light: what is heavy is imported by the verb that needs it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("pymc", "pytensor", "bambi", "arviz", "matplotlib", "scipy.stats", "nutpie", "numba")


def loaded_after(statement: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after one statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_after("import bayeslme")
    assert "bayeslme" in loaded
    assert not loaded.intersection(HEAVY)


def test_classical_fit_loads_nothing_heavy() -> None:
    loaded = loaded_after(
        "import bayeslme\n"
        "data = bayeslme.load_data('Orthodont')\n"
        "fit = bayeslme.lme('distance ~ age', data, random='~ 1 | Subject')\n"
        "str(fit.summary())"
    )
    assert not loaded.intersection(HEAVY)


def test_public_names_exist() -> None:
    import bayeslme

    assert bayeslme.__all__ == sorted(bayeslme.__all__, key=str)
    for name in bayeslme.__all__:
        assert getattr(bayeslme, name) is not None
