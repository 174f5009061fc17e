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


def test_a_fit_loads_none_of_the_verbs_that_it_has_not_used() -> None:
    code = (
        "import sys, types, bayeslme\n"
        "fit = bayeslme.lme('distance ~ age', bayeslme.load_data('Orthodont'), '~ 1 | Subject')\n"
        "loaded = {k for k, m in sys.modules.items() if type(m) is types.ModuleType}\n"
        "fit.anova()\n"
        "used = {k for k, m in sys.modules.items() if type(m) is types.ModuleType} - loaded\n"
        "print(*loaded); print(*used)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded, used = (set(line.split()) for line in done.stdout.splitlines())
    assert not loaded & {
        "bayeslme.fit.inference.anova",
        "bayeslme.fit.output.summary",
        "scipy.special",
    }
    assert {"bayeslme.fit.inference.anova", "scipy.special"} <= used


def test_defaults_of_a_verb_are_those_of_its_module() -> None:
    from inspect import signature

    from bayeslme.fit.result import Fit
    from bayeslme.fit.values.singular import PRIOR

    assert signature(Fit.singular).parameters["prior"].default == PRIOR


def test_public_names_exist() -> None:
    import bayeslme

    assert bayeslme.__all__ == sorted(bayeslme.__all__, key=str)
    for name in bayeslme.__all__:
        assert getattr(bayeslme, name) is not None


def test_sampling_loads_no_plots_and_no_compiler() -> None:
    loaded = loaded_after(
        "import bayeslme\n"
        "fit = bayeslme.lme('distance ~ age', bayeslme.load_data('Orthodont'), '~ 1 | Subject')\n"
        "posterior = fit.sample(draws=100, seed=1)\n"
        "posterior.fixef, posterior.ranef(), posterior.fitted(), posterior.intervals()"
    )
    assert not loaded & {"arviz_stats", "numba", "sparse", "scipy.stats", "scipy.spatial"}
    assert not loaded & {"arviz", "arviz_plots", "matplotlib", "pymc", "pytensor", "bambi"}


def test_without_docstrings_and_assertions() -> None:
    code = (
        "import bayeslme\n"
        "fit = bayeslme.lme('distance ~ age', bayeslme.load_data('Orthodont'), '~ 1 | Subject')\n"
        "posterior = fit.sample(draws=50, chains=2, seed=1)\n"
        "str(fit.summary()) and str(posterior.summary()) and str(posterior.loo('group'))\n"
        "print(fit.loglik)"
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("-223.501"), done.stderr  # nlme, REML
