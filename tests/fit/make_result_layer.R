# Makes result_layer.json: augPred, comparePred, Variogram with its model curve, simulate.lme, rePCA and bootMer.
# Rscript tests/fit/make_result_layer.R
suppressMessages({library(nlme); library(lme4, exclude = "lmList"); library(jsonlite)})
folder <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
frame <- function(x) {x <- as.data.frame(x); for (j in seq_along(x)) if (is.factor(x[[j]])) x[[j]] <- as.character(x[[j]]); x}

curves <- list(
  list(data = "Orthodont", fixed = "distance ~ age * Sex", random = "~ age | Subject", level = 0:1),
  list(data = "Orthodont", fixed = "distance ~ age", random = "~ 1 | Subject", level = 1L),
  list(data = "Pixel", fixed = "pixel ~ day + I(day^2)", random = list(Dog = "~ day", Side = "~ 1"), level = 0:2),
  list(data = "Pixel", fixed = "pixel ~ day + I(day^2)", random = list(Dog = "~ day", Side = "~ 1"), level = 1L),
  list(data = "Oats", fixed = "yield ~ nitro", random = "~ 1 | Block/Variety", level = 2L),
  list(data = "BodyWeight", fixed = "weight ~ Time * Diet", random = "~ Time | Rat", level = 0:1))
lme_of <- function(one) {
  random <- if (is.list(one$random)) lapply(one$random, as.formula) else as.formula(one$random)
  eval(bquote(lme(.(as.formula(one$fixed)), data = .(as.name(one$data)), random = .(random))))
}
aug <- lapply(curves, function(one) {
  fit <- lme_of(one)
  c(one, list(table = frame(augPred(fit, level = one$level, length.out = 5))))
})

fm1 <- lme(distance ~ age, data = Orthodont, random = ~ 1 | Subject)
fm2 <- lme(distance ~ age, data = Orthodont, random = ~ age | Subject)
compared <- frame(comparePred(fm1, fm2, length.out = 3))

weight <- lme(weight ~ Time * Diet, BodyWeight, random = ~ Time, weights = varPower())
spatial <- list(corExp = list(TRUE, FALSE), corRatio = list(TRUE, FALSE), corGaus = list(FALSE), corSpher = list(FALSE), corLin = list(FALSE))
grams <- do.call(c, lapply(names(spatial), function(kind) lapply(spatial[[kind]], function(nugget) {
  structure <- eval(call(kind, form = ~ Time, nugget = nugget))
  fit <- eval(bquote(update(weight, correlation = .(structure))))
  v <- Variogram(fit, length.out = 6)
  list(kind = kind, nugget = nugget, coef = unname(coef(fit$modelStruct$corStruct, unconstrained = FALSE)),
       table = frame(v), curve = frame(attr(v, "modelVariog")))
})))

set.seed(1)
ratios <- local({
  s <- simulate(lme(distance ~ age, data = Orthodont, random = ~ 1 | Subject), nsim = 1000, seed = 2,
                m2 = list(random = ~ age | Subject), method = c("REML", "ML"))
  lapply(c(REML = "REML", ML = "ML"), function(m) 2 * (s$alt[[m]][, "logLik"] - s$null[[m]][, "logLik"]))
})

models <- list(
  list(data = "sleepstudy", fixed = "Reaction ~ Days", bars = "(Days | Subject)"),
  list(data = "Pixel", fixed = "pixel ~ day + I(day^2)", bars = "(day | Dog) + (1 | Dog:Side)"),
  list(data = "Orthodont", fixed = "distance ~ age * Sex", bars = "(age | Subject)"),
  list(data = "Oats", fixed = "yield ~ nitro", bars = "(nitro | Block) + (1 | Block:Variety)"),
  list(data = "ergoStool", fixed = "effort ~ Type", bars = "(Type | Subject)", singular = TRUE),
  list(data = "Machines", fixed = "score ~ Machine", bars = "(Machine | Worker)"))
models <- Filter(function(one) one$data != "sleepstudy", models)
pca <- lapply(models, function(one) {
  d <- as.data.frame(get(one$data)); for (n in names(d)) if (is.ordered(d[[n]])) d[[n]] <- factor(as.character(d[[n]]), levels = levels(d[[n]]))
  fit <- suppressWarnings(suppressMessages(lmer(as.formula(paste(one$fixed, "+", one$bars)), data = d,
    control = lmerControl(check.nobs.vs.nRE = "ignore", check.nobs.vs.nlev = "ignore", optCtrl = list(ftol_abs = 1e-14, xtol_abs = 1e-12)))))
  p <- rePCA(fit)
  c(one, list(loglik = as.numeric(logLik(fit)), is_singular = isSingular(fit), levels = lapply(p, function(x)
    list(sdev = x$sdev, rotation = x$rotation, importance = unname(summary(x)$importance[2, ])))))
})

boot <- local({
  fit <- lmer(distance ~ age + (age | Subject), data = as.data.frame(Orthodont))
  statistic <- function(f) c(fixef(f), sigma = sigma(f), sd = as.data.frame(VarCorr(f))$sdcor[1:2])
  b <- suppressWarnings(suppressMessages(bootMer(fit, statistic, nsim = 2000, seed = 3)))
  list(names = names(b$t0), estimate = unname(b$t0), mean = unname(colMeans(b$t)), sd = unname(apply(b$t, 2, sd)),
       quantiles = unname(apply(b$t, 2, quantile, c(.025, .5, .975))))
})

out <- list(versions = lapply(c(nlme = "nlme", lme4 = "lme4"), function(p) as.character(packageVersion(p))),
            aug_pred = aug, compare_pred = compared, variograms = grams, simulated = ratios, pca = pca, bootstrap = boot)
writeLines(toJSON(out, auto_unbox = TRUE, digits = 10, null = "null", dataframe = "columns"), file.path(folder, "result_layer.json"))
