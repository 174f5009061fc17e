# Writes printed/structure_*.txt: what nlme prints of a fit with each structure that the other pages lack.
#
#   Rscript make_printed.R
#
# corNatural has none: nlme does not export it and stops with an error when it prints such a fit.
# nlme's default tolerances leave the fourth digit open at flat optima; its own tighter ones are asked for.

suppressPackageStartupMessages(library(nlme))
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
folder <- file.path(dirname(normalizePath(script)), "printed")

orth <- function(rest) paste0("(distance ~ Sex * I(age - 11), data = Orthodont, ", rest, ")")
ovary <- function(rest) paste0("(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), data = Ovary, ", rest, ")")
weight <- function(rest) paste0("(weight ~ Time * Diet, data = BodyWeight, ", rest, ")")
wheat <- function(rest) paste0("(yield ~ variety - 1, data = Wheat2, ", rest, ")")

calls <- c(
  corAR1 = paste0("lme", ovary("random = pdDiag(~ sin(2 * pi * Time)), correlation = corAR1()")),
  corCAR1 = paste0("gls", ovary("correlation = corCAR1(form = ~ Time | Mare)")),
  corARMA = paste0("gls", ovary("correlation = corARMA(form = ~ 1 | Mare, q = 2)")),
  corExp = paste0("gls", weight("correlation = corExp(form = ~ Time | Rat)")),
  corGaus = paste0("gls", weight("correlation = corGaus(form = ~ Time | Rat, nugget = TRUE)")),
  corLin = paste0("gls", weight("correlation = corLin(form = ~ Time | Rat)")),
  corRatio = paste0("gls", wheat("correlation = corRatio(c(12.5, 0.2), form = ~ latitude + longitude, nugget = TRUE)")),
  corSpher = paste0("gls", wheat("correlation = corSpher(c(28, 0.2), form = ~ latitude + longitude, nugget = TRUE), method = \"ML\"")),
  corSymm = paste0("gls", orth("correlation = corSymm(form = ~ 1 | Subject)")),
  varFixed = paste0("lme", orth("random = ~ 1 | Subject, weights = varFixed(~ age)")),
  varIdent = paste0("gls", orth("weights = varIdent(form = ~ 1 | Sex * age)")),
  varPower = paste0("lme", orth("random = ~ 1 | Subject, weights = varPower(form = ~ age | Sex)")),
  varExp = paste0("lme", orth("random = ~ 1 | Subject, weights = varExp(form = ~ age)")),
  varConstPower = paste0("gls", "(rate ~ pressure + I(pressure^2), data = Dialyzer, weights = varConstPower(form = ~ pressure))"),
  varConstProp = paste0("gls", orth("weights = varConstProp(form = ~ age), control = list(sigma = 1)")),
  varComb = paste0("lme", orth("random = ~ 1 | Subject, weights = varComb(varIdent(form = ~ 1 | Sex), varExp(form = ~ age))")),
  pdSymm = paste0("lme", orth("random = list(Subject = pdSymm(~ I(age - 11)))")),
  pdLogChol = paste0("lme", orth("random = list(Subject = pdLogChol(~ I(age - 11)))")),
  pdNatural = paste0("lme", orth("random = list(Subject = pdNatural(~ I(age - 11)))")),
  pdDiag = paste0("lme", orth("random = list(Subject = pdDiag(~ I(age - 11)))")),
  pdIdent = "lme(score ~ Machine, data = Machines, random = list(Worker = pdIdent(~ Machine - 1)))",
  pdCompSymm = "lme(score ~ Machine, data = Machines, random = list(Worker = pdCompSymm(~ Machine - 1)))",
  pdBlocked = "lme(score ~ Machine, data = Machines, random = list(Worker = pdBlocked(list(pdIdent(~ 1), pdIdent(~ Machine - 1)))))")

tight <- list(lme = lmeControl(tolerance = 1e-10, msTol = 1e-12, msMaxIter = 500, maxIter = 200),
              gls = glsControl(tolerance = 1e-10, msTol = 1e-12, msMaxIter = 500, maxIter = 200))
options(width = 80)
for (name in names(calls)) {
  call <- parse(text = calls[[name]])[[1]]
  call$control <- modifyList(tight[[as.character(call[[1]])]], as.list(eval(call$control)))
  fit <- tryCatch(eval(call), error = function(e) {message(name, ": ", conditionMessage(e)); NULL})
  if (is.null(fit)) next
  fit$call$control <- NULL
  sink(file.path(folder, paste0("structure_", name, ".txt")))
  cat("> fit <- ", calls[[name]], "\n", "> print(fit)\n", sep = "")
  print(fit)
  cat("> summary(fit)\n")
  print(summary(fit))
  sink()
}
