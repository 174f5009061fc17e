"""Model files: those of the repository, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslme.data.datasets import load_data
from bayeslme.errors import SpecError
from bayeslme.spec.modelfile import load_model
from bayeslme.spec.script import translate

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.toml"))
GOOD = """
title = "A model"
data = "orthodont"
call = "lme(distance ~ age, data = Orthodont, random = ~ 1 | Subject)"
"""


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_model_files_are_read(path: Path) -> None:
    model = load_model(path)
    columns = set(load_data(model.data).columns)
    spec = model.spec
    assert set(spec.fixed.variables) <= columns
    assert {level.group for level in spec.random} <= columns
    assert translate(spec.to_r(), spec.contrasts) == spec
    assert model.sampling["seed"] > 0


def test_every_example_of_the_lecture_has_a_file() -> None:
    calls = {load_model(path).spec.to_r() for path in MODELS}
    fixed = "loglact ~ reg + status + reg:status, data = piglets"
    growth = "distance ~ Sex * I(age - 11), data = Orthodont, random = ~1 | Subject"
    trees = "dds.log ~ dbh.log + dbh + BAL + BA + SITES, data = trees, random = ~1 | PLot/MP"
    assert calls >= {
        f"lme({fixed}, random = ~1 | litter/pig, na.action = na.omit)",
        f"lme({fixed}, random = ~1 | pig, na.action = na.omit)",
        f"lm({fixed})",
        "lme(humidity ~ depth * width, data = beech, random = ~1 | plank)",
        "lme(humidity ~ depth + width, data = beech, random = ~1 | plank)",
        "lme(distance ~ I(age - 11), data = Orthodont, random = ~1 | Subject)",
        f"lme({growth})",
        f"lme({growth}, weights = varIdent(form = ~1 | Sex))",
        "lme(fat ~ 1, data = cows, random = ~1 | cow)",
        "lme(fat ~ 1, data = cows, random = ~1 | farm/cow)",
        f'lme({trees}, method = "ML")',
        f'lme({trees}, correlation = corAR1(), method = "ML")',
        f'lme({trees}, correlation = corAR1(), weights = varPower(form = ~dbh), method = "ML")',
        f'lme({trees}, correlation = corAR1(), weights = varPower(), method = "ML")',
        f"lme({trees}, correlation = corAR1(), weights = varPower())",
    }


def write(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_keys(tmp_path: Path) -> None:
    text = """
    title = "All keys"
    description = "What it is."
    data = "sub/d.csv"
    call = "gls(y ~ a, contrasts = list(a = 'contr.SAS'))"
    [contrasts]
    a = "helmert"
    b = "sum"
    [priors]
    sigma = "HalfNormal(sigma=3)"
    [priors.fixef]
    "(Intercept)" = "Normal(mu=-1e3, sigma=[1, 2])"
    [sampling]
    draws = 500
    tune = 0
    chains = 2
    seed = 0
    method = "nuts"
    nuts_sampler = "nutpie"
    """
    model = load_model(write(tmp_path, text))
    assert model.title == "All keys"
    assert model.data == str(tmp_path / "sub" / "d.csv")
    assert model.spec.data == "d"
    assert model.spec.factor_contrasts == {"a": "contr.SAS", "b": "contr.sum"}
    assert model.priors["fixef"] == {"(Intercept)": "Normal(mu=-1e3, sigma=[1, 2])"}
    assert model.sampling == {
        "draws": 500,
        "tune": 0,
        "chains": 2,
        "seed": 0,
        "method": "nuts",
        "nuts_sampler": "nutpie",
    }


def test_a_preset_of_priors(tmp_path: Path) -> None:
    assert load_model(write(tmp_path, GOOD + 'priors = "weakly_informative"')).priors == (
        "weakly_informative"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "foo = 1", "unknown key 'foo'; allowed are title, data"),
        (GOOD + "[sampling]\nfoo = 1", "unknown key 'sampling.foo'; allowed are draws"),
        (GOOD + "[sampling]\ndraws = -1", "sampling.draws"),
        (GOOD + "[sampling]\ndraws = true", "sampling.draws"),
        (GOOD + "[sampling]\nmethod = 'magic'", "sampling.method"),
        (
            GOOD + "[priors]\nsigma = '''__import__('os').system('ls')'''",
            "priors.sigma: a prior is",
        ),
        (GOOD + "[priors]\nsigma = 'f(__x__)'", "priors.sigma: a prior is"),
        (GOOD + "[priors]\nsigma = 3", "priors"),
        (GOOD + "priors = 'os.system(1)'", "preset"),
        (GOOD + "priors = '__import__'", "preset"),
        (GOOD + 'contrasts = ["contr.foo", "contr.poly"]', "unknown contrasts 'contr.foo'"),
        (GOOD + 'contrasts = ["contr.sum"]', "pair"),
        (GOOD.replace("age", "__import__('os')"), "unexpected character '_'"),
        (GOOD.replace("age", "os.system('ls')"), "unknown function 'os.system'"),
        (GOOD.replace("lme(", "eval("), "unknown function 'eval'"),
        (GOOD.replace("title", "titel"), "unknown key 'titel' .did you mean title"),
        (GOOD.replace('title = "A model"', ""), "'title' is missing"),
        ("title = ", "no valid TOML"),
        ("\ufeff\0", "no valid TOML"),
    ],
)
def test_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        load_model(write(tmp_path, text))
    assert "model.toml" in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.toml: No such file"):
        load_model("nowhere.toml")
    with pytest.raises(SpecError, match="directory"):
        load_model(tmp_path)
    path = tmp_path / "latin.toml"
    path.write_bytes(b'title = "\xe9"')
    with pytest.raises(SpecError, match="no valid TOML"):
        load_model(path)


def test_matrices_in_files(tmp_path: Path) -> None:
    frame = load_data("orthodont")
    names = sorted(frame["Subject"].unique())
    related = pd.DataFrame(0.5 * np.eye(len(names)) + 0.5, index=names, columns=names)
    related.to_csv(tmp_path / "A.csv")
    path = tmp_path / "model.toml"
    call = 'call = "lmer(distance ~ age + (1 | gr(Subject, cov = A)))"'
    text = GOOD.replace(GOOD.splitlines()[3], call)
    path.write_text(text + '[data2]\nA = "A.csv"\n')
    made = translate("lmer(distance ~ age + (1 | gr(Subject, cov = A)))", data2={"A": related})
    assert load_model(path).spec.random == made.random
    for changed, message in (
        (text, "the formula names the matrix 'A'"),
        (text + '[data2]\nA = "B.csv"\n', "B.csv cannot be read"),
        (text + '[data2]\nA = "A.csv"\nB = "A.csv"\n', "no term of the formula names the matrix"),
    ):
        path.write_text(changed)
        with pytest.raises(SpecError, match=message):
            load_model(path)
