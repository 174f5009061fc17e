# Numbers behind docs/nlme_differences.md, made in R without the package.
#
#   Rscript differences.R       (writes differences.json)
#
# sigma_held: the likelihood written down from its definition (dense covariance matrix) and maximised, beside lme() with
# control = lmeControl(sigma = ). glucose: nlme's own log-likelihood at its own variance covariate, with another
# Subject variance; and where its alternation of fit and covariate goes from there. sleep: that alternation carried on.
# const_prop: varConstProp with a free sigma, from the same data in other units, by another optimiser, without EM.
# pixel: carried on by a search over parameters that do not move together. chick: what nlme's answer makes of itself.

suppressPackageStartupMessages({library(nlme); library(jsonlite)})
options(warn = -1)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
folder <- dirname(normalizePath(script))
here <- new.env()
sys.source(file.path(folder, "remake_cases.R"), envir = here)

# ---- sigma held ---------------------------------------------------------------------------------------------------

Orthodont <- here$frame_of("Orthodont")
SIGMA <- 1.4
X <- model.matrix(~ Sex * I(age - 11), Orthodont)
y <- Orthodont$distance
same <- outer(as.integer(Orthodont$Subject), as.integer(Orthodont$Subject), "==")
lag <- abs(outer(Orthodont$age, Orthodont$age, "-")) / 2

by_definition <- function(sd, phi, sigma, reml) {
  V <- same * (sd^2 + sigma^2 * phi^lag)
  W <- solve(V)
  A <- t(X) %*% W %*% X
  r <- y - X %*% solve(A, t(X) %*% W %*% y)
  size <- length(y) - if (reml) ncol(X) else 0
  log_det <- as.numeric(determinant(V)$modulus) + if (reml) as.numeric(determinant(A)$modulus) else 0
  -0.5 * (size * log(2 * pi) + log_det + sum(r * (W %*% r)))
}

held <- function(method, serial) {
  reml <- method == "REML"
  f <- function(t) by_definition(exp(t[1]), if (serial) tanh(t[2]) else 0, SIGMA, reml)
  top <- optim(if (serial) c(0.5, 0) else 0.5, f, method = "BFGS", hessian = FALSE,
               control = list(fnscale = -1, reltol = 1e-15, maxit = 1000, ndeps = rep(1e-5, 1 + serial)))
  information <- -optimHess(top$par, f, control = list(ndeps = rep(1e-4, 1 + serial)))
  theirs <- lme(distance ~ Sex * I(age - 11), Orthodont, ~ 1 | Subject, method = method,
                correlation = if (serial) corAR1(form = ~ 1 | Subject), control = lmeControl(sigma = SIGMA))
  sd <- sqrt(as.numeric(as.matrix(theirs$modelStruct$reStruct$Subject))) * SIGMA
  phi <- if (serial) coef(theirs$modelStruct$corStruct, unconstrained = FALSE) else 0
  list(loglik = top$value, sd = exp(top$par[1]), phi = if (serial) tanh(top$par[2]) else 0,
       log_sd_error = sqrt(solve(information)[1, 1]),
       nlme = list(loglik = as.numeric(logLik(theirs)), sd = sd, phi = as.numeric(phi),
                   log_sd_error = sqrt(theirs$apVar[1, 1]),
                   definition_there = by_definition(sd, as.numeric(phi), SIGMA, reml)))
}

free <- lme(distance ~ Sex * I(age - 11), Orthodont, ~ 1 | Subject)
again <- lme(distance ~ Sex * I(age - 11), Orthodont, ~ 1 | Subject, control = lmeControl(sigma = free$sigma))
summary_of <- function(fit) c(loglik = as.numeric(logLik(fit)), as.numeric(VarCorr(fit)[1, 2]))
sigma_held <- list(
  d_Orth_sigfix_ML = held("ML", FALSE), d_Orth_sigfix_REML = held("REML", FALSE),
  d_Orth_sigfix_ar1_ML = held("ML", TRUE), d_Orth_sigfix_ar1_REML = held("REML", TRUE),
  free_then_held_at_its_estimate = list(free = summary_of(free), held = summary_of(again)))

# ---- weights by fitted values, Glucose2 ---------------------------------------------------------------------------

Glucose2 <- here$frame_of("Glucose2")

glucose <- function(method, steps) {
  theirs <- lme(glucose ~ Time + I(Time^2), Glucose2, ~ 1 | Subject/Date, method = method,
                correlation = corCAR1(form = ~ Time | Subject/Date), weights = varPower())
  at <- function(model, frame, search, subject = NULL) {
    relative <- function(group) as.matrix(model$reStruct[[group]])
    lme(glucose ~ Time + I(Time^2), frame, method = method,
        random = list(Subject = pdSymm(if (is.null(subject)) relative("Subject") else matrix(subject^2), ~ 1),
                      Date = pdSymm(relative("Date") + 1e-12, ~ 1)),
        correlation = corCAR1(coef(model$corStruct, unconstrained = FALSE), form = ~ Time | Subject/Date),
        weights = varPower(coef(model$varStruct), form = ~ v),
        control = c(list(niterEM = 0, returnObject = TRUE, apVar = FALSE),
                    if (search) list(msMaxIter = 500) else list(maxIter = 0, msMaxIter = 0, opt = "optim")))
  }
  frame <- as.data.frame(Glucose2)
  frame$v <- as.vector(fitted(theirs))
  relative_sd <- c(0, 10, 20, 40, 60)
  profile <- vapply(relative_sd, function(s) as.numeric(logLik(at(theirs$modelStruct, frame, FALSE, s + 1e-6))), 0)
  fit <- at(theirs$modelStruct, frame, TRUE, 40)
  first <- as.numeric(logLik(fit))
  for (k in seq_len(steps)) {
    frame$v <- as.vector(fitted(fit))
    fit <- at(fit$modelStruct, frame, TRUE)
  }
  list(nlme = as.numeric(logLik(theirs)), relative_subject_sd = relative_sd, loglik_at_its_covariate = profile,
       searched_from_there = first, after_alternating = as.numeric(logLik(fit)), steps = steps,
       power = as.numeric(coef(fit$modelStruct$varStruct)),
       phi = as.numeric(coef(fit$modelStruct$corStruct, unconstrained = FALSE)),
       subject_sd = sqrt(as.numeric(as.matrix(fit$modelStruct$reStruct$Subject))) * fit$sigma, fixef = fixef(fit))
}

# ---- weights by fitted values, sleepstudy: alternation that goes on where nlme's stops ---------------------------------

sleepstudy <- here$frame_of("sleepstudy")

sleep <- function(method, steps) {
  theirs <- lme(Reaction ~ Days, sleepstudy, ~ 1 | Subject, method = method, weights = varPower())
  frame <- as.data.frame(sleepstudy)
  fit <- theirs
  for (k in seq_len(steps)) {
    frame$v <- as.vector(fitted(fit))
    fit <- lme(Reaction ~ Days, frame, ~ 1 | Subject, method = method,
               weights = varPower(coef(fit$modelStruct$varStruct), form = ~ v),
               control = list(returnObject = TRUE, apVar = FALSE, tolerance = 1e-14, msTol = 1e-14, msMaxIter = 500))
  }
  list(nlme = as.numeric(logLik(theirs)), nlme_largest_fitted = max(fitted(theirs)), steps = steps,
       after_alternating = as.numeric(logLik(fit)), largest_fitted = max(fitted(fit)))
}

# ---- weights by fitted values, Pixel: sigma is 1e-22, so that power, sigma and relative variances move together ------

# nlme's log-likelihood at a covariate v is maximised over the power and the standard deviations relative to a typical
# row (not to sigma); then v is what that fit fits
pixel <- function(method, steps) {
  theirs <- lme(pixel ~ day + I(day^2), here$frame_of("Pixel"), ~ 1 | Dog/Side, method = method, weights = varPower())
  frame <- as.data.frame(here$frame_of("Pixel"))
  fit <- theirs
  sds <- function(fit) vapply(fit$modelStruct$reStruct[c("Dog", "Side")], function(re) sqrt(as.matrix(re)[1]), 0)
  for (k in seq_len(steps)) {
    frame$v <- as.vector(fitted(fit))
    typical <- mean(log(frame$v))
    power <- as.numeric(coef(fit$modelStruct$varStruct))
    at <- function(t) {
      relative <- exp(t[2:3] + t[1] * typical)
      lme(pixel ~ day + I(day^2), frame, method = method, weights = varPower(t[1], form = ~ v),
          random = list(Dog = pdSymm(matrix(relative[1]^2), ~ 1), Side = pdSymm(matrix(relative[2]^2), ~ 1)),
          control = list(niterEM = 0, returnObject = TRUE, apVar = FALSE, maxIter = 0, msMaxIter = 0, opt = "optim"))
    }
    if (k == 1) at_its_own <- as.numeric(logLik(at(c(power, log(sds(fit)) - power * typical))))
    top <- optim(c(power, log(sds(fit)) - power * typical), function(t) as.numeric(logLik(at(t))), method = "BFGS",
                 control = list(fnscale = -1, reltol = 1e-15, ndeps = rep(1e-4, 3), maxit = 200))
    if (k == 1) first <- c(loglik = top$value, power = top$par[1])
    fit <- at(top$par)
  }
  list(nlme = as.numeric(logLik(theirs)), nlme_power = as.numeric(coef(theirs$modelStruct$varStruct)),
       nlme_largest_fitted = max(fitted(theirs)), at_its_own_covariate = at_its_own,
       best_at_its_own_covariate = first[["loglik"]], power_there = first[["power"]], steps = steps,
       after_alternating = as.numeric(logLik(fit)), power = as.numeric(coef(fit$modelStruct$varStruct)),
       largest_fitted = max(fitted(fit)))
}

# ---- weights by fitted values, ChickWeight ------------------------------------------------------------------------------

# nlme's answer put into nlme's likelihood with its own fitted values as covariate: how far the fitted values move
chick <- function() {
  theirs <- lme(weight ~ Time * Diet, here$frame_of("ChickWeight"), ~ Time | Chick, weights = varPower(form = ~ fitted(.) | Diet))
  frame <- as.data.frame(here$frame_of("ChickWeight"))
  frame$v <- as.vector(fitted(theirs))
  powers <- coef(theirs$modelStruct$varStruct)
  same <- lme(weight ~ Time * Diet, frame, list(Chick = pdLogChol(as.matrix(theirs$modelStruct$reStruct$Chick), ~ Time)),
              weights = varPower(setNames(as.list(powers), sub(".*\\.", "", names(powers))), form = ~ v | Diet),
              control = list(niterEM = 0, returnObject = TRUE, apVar = FALSE, maxIter = 0, msMaxIter = 0, opt = "optim"))
  list(nlme = as.numeric(logLik(theirs)), at_its_own_covariate = as.numeric(logLik(same)),
       fitted_moves = max(abs(fitted(same) - frame$v)))
}

# ---- varConstProp times a free sigma ---------------------------------------------------------------------------------

const_prop <- function(size = 1, ...) {
  frame <- as.data.frame(here$frame_of("Orthodont"))
  frame$distance <- size * frame$distance
  fit <- lme(distance ~ Sex * I(age - 11), frame, ~ 1 | Subject, weights = varConstProp(), method = "ML", control = list(...))
  prop <- coef(fit$modelStruct$varStruct, unconstrained = FALSE)[["prop"]]
  list(loglik = as.numeric(logLik(fit)) + nrow(frame) * log(size), prop = prop, sigma_prop = fit$sigma * prop)
}

out <- list(sigma_held = sigma_held,
            glucose = list(d_Glu2_car1_vp_ML = glucose("ML", 60), d_Glu2_car1_vp_REML = glucose("REML", 60)),
            sleep = list(d_sleep_vp_ML = sleep("ML", 20), d_sleep_vp_REML = sleep("REML", 20)),
            pixel = list(d_Pixel_varpow_ML = pixel("ML", 12), d_Pixel_varpow_REML = pixel("REML", 12)),
            chick = list(d_Chick_vpg_REML = chick()),
            const_prop = list(default = const_prop(), doubled = const_prop(2), optim = const_prop(opt = "optim"),
                              without_em = const_prop(niterEM = 0)))
writeLines(toJSON(out, auto_unbox = TRUE, digits = 10, pretty = TRUE), file.path(folder, "differences.json"))
