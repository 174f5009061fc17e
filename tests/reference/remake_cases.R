# Re-make the stored results in cases/*.jsonl.gz from their calls with R's nlme.
#
#   Rscript remake_cases.R [--write] [--match=REGEX] [FAMILY ...]     (families: lecture books help own products tables)
#
# Without --write nothing is stored: each case is fitted again and compared with what is stored (largest relative
# distance per quantity; the log-likelihood to 1e-6). With --write the results are replaced, the description of a case
# (call, source, best_refit_gain, ...) stays. Stored with nlme 3.1-162 on R 4.2.2; needs nlme and jsonlite.
# The tables (anova of several fits, ACF, variogram, predict, ...) are compared only: their calls are in tables.jsonl.gz.

suppressPackageStartupMessages({library(nlme); library(jsonlite); library(stats); library(splines)})
options(warn = -1)

script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
HERE <- if (length(script)) dirname(normalizePath(script)) else "."
CUT_ROWS <- 200
CUT_GROUPS <- 60
DIGITS <- 10
FLAT <- 1e-5  # smallest curvature relative to the largest, unit diagonal

# nlme differentiates the log-likelihood twice with one-sided mixed differences and steps of 6e-6 max(|parameter|, 0.05):
# where a parameter is near zero the rounding error is of the size of the curvature, and intervals() is off by a factor
# of up to 3. Symmetric differences with a larger step give nlme's intervals as they are meant.
STEP <- 3e-4
symmetric_hessian <- function(pars, fun, ..., .relStep = NULL, minAbsPar = 0) {
  k <- length(pars)
  h <- STEP * pmax(abs(pars), 1)
  at <- function(move) fun(pars + move * h, ...)
  base <- at(rep(0, k))
  unit <- diag(k)
  H <- matrix(0, k, k)
  gradient <- numeric(k)
  for (i in seq_len(k)) {
    up <- at(unit[i, ])
    down <- at(-unit[i, ])
    gradient[i] <- (up - down) / (2 * h[i])
    H[i, i] <- (up - 2 * base + down) / h[i]^2
    for (j in seq_len(i - 1)) {
      mixed <- at(unit[i, ] + unit[j, ]) - at(unit[i, ] - unit[j, ]) - at(unit[j, ] - unit[i, ]) + at(-unit[i, ] - unit[j, ])
      H[i, j] <- H[j, i] <- mixed / (4 * h[i] * h[j])
    }
  }
  list(mean = base, gradient = gradient, Hessian = H)
}
assignInNamespace("fdHess", symmetric_hessian, "nlme")

# ---- data and JSON ------------------------------------------------------------------------------------------------

SHIPPED <- file.path(HERE, "..", "..", "bayeslme", "data", "datasets")
types <- fromJSON(file.path(HERE, "data", "types.json"), simplifyVector = TRUE)
catalogue <- fromJSON(file.path(SHIPPED, "catalogue.json"), simplifyVector = TRUE)

# a data set of the package, or one of the variations kept here; factors with their levels in the stored order
load_frame <- function(name) {
  own <- !is.null(types[[name]])
  columns <- if (own) types[[name]] else catalogue[[name]]$columns
  folder <- if (own) file.path(HERE, "data") else file.path(SHIPPED, "files")
  frame <- read.csv(gzfile(file.path(folder, paste0(name, ".csv.gz"))), check.names = FALSE, na.strings = "NA",
                    colClasses = ifelse(vapply(columns, function(m) is.null(m$levels), NA), NA, "character"))
  for (column in names(columns)) {
    m <- columns[[column]]
    if (!is.null(m$levels))
      frame[[column]] <- factor(frame[[column]], levels = m$levels, ordered = isTRUE(m$ordered) || identical(m$type, "ordered"))
  }
  frame
}

frames <- new.env()
frame_of <- function(name) {
  if (is.null(frames[[name]])) assign(name, load_frame(name), envir = frames)
  frames[[name]]
}

read_family <- function(name) {
  lines <- readLines(gzfile(file.path(HERE, "cases", paste0(name, ".jsonl.gz"))))
  lapply(lines, fromJSON, simplifyVector = FALSE)
}

write_family <- function(name, cases) {
  con <- gzfile(file.path(HERE, "cases", paste0(name, ".jsonl.gz")), "w", compression = 9)
  on.exit(close(con))
  for (one in cases) writeLines(toJSON(one, auto_unbox = TRUE, digits = NA, null = "null", na = "null"), con)
}

number <- function(x) {  # finite: DIGITS significant digits; NaN, NA: null; infinities: text, as JSON has none
  one <- function(v) {
    if (is.logical(v) && !is.na(v)) return(v)
    if (is.na(v)) return(NULL)
    if (is.infinite(v)) return(if (v > 0) "Inf" else "-Inf")
    signif(v, DIGITS)
  }
  if (length(x) == 1) one(x[[1]]) else lapply(unname(x), one)
}
vector_of <- function(x) lapply(unname(as.vector(x)), number)
named <- function(x) if (is.null(names(x))) number(as.vector(x)) else lapply(as.list(x), number)
matrix_of <- function(x) {
  x <- as.matrix(x)
  list(rows = as.list(rownames(x)), cols = as.list(colnames(x)), values = lapply(seq_len(nrow(x)), function(i) vector_of(x[i, ])))
}
head_of <- function(x, n = CUT_ROWS) vector_of(x[seq_len(min(n, length(x)))])

# ---- one fit ------------------------------------------------------------------------------------------------------

fit_case <- function(one) {
  options(contrasts = unlist(one$contrasts))
  place <- new.env(parent = globalenv())
  assign(one$data, frame_of(one$data), envir = place)
  call <- parse(text = one$call)[[1]]
  if (as.character(call[[1]]) == "lm") return(eval(call, place))
  tryCatch(eval(call, place), error = function(e) {
    if (!grepl("singular", conditionMessage(e))) stop(e)
    call$control <- as.call(c(as.name("c"), call$control, quote(list(apVar = FALSE))))  # a flat likelihood
    eval(call, place)
  })
}

structure_of <- function(part) {
  if (is.null(part)) return(NULL)
  list(coef = named(coef(part, unconstrained = FALSE)), coef_unconstrained = named(coef(part)))
}

anova_of <- function(fit, type) {
  table <- tryCatch(anova(fit, type = type), error = function(e) NULL)
  if (is.null(table)) return(NULL)
  out <- list(term = as.list(rownames(table)), numDF = vector_of(table$numDF))
  out$denDF <- if (is.null(table$denDF)) fit$dims$N - fit$dims$p else vector_of(table$denDF)
  out$F <- vector_of(table[["F-value"]])
  out$p <- vector_of(table[["p-value"]])
  out
}

intervals_of <- function(fit) {
  one <- function(which) tryCatch(intervals(fit, which = which), error = function(e) conditionMessage(e))
  full <- one("all")
  if (is.character(full)) {
    fixed <- one(if (inherits(fit, "lme")) "fixed" else "coef")
    part <- if (inherits(fit, "lme")) "fixed" else "coef"
    return(list(error = full, fixed_only = setNames(list(matrix_of(fixed[[part]])), part)))
  }
  out <- list()
  for (part in setdiff(names(full), c("reStruct", "sigma"))) out[[part]] <- matrix_of(full[[part]])
  if (!is.null(full$reStruct)) out$reStruct <- lapply(full$reStruct, matrix_of)
  if (!is.null(full$sigma)) out$sigma <- named(full$sigma)
  out
}

# lme sorts by the groups of the correlation where these are finer than those of the random effects
sorting_groups <- function(fit) {
  form <- getGroupsFormula(fit$modelStruct$corStruct)
  if (is.null(form) || length(all.vars(form)) <= ncol(fit$groups)) return(fit$groups)
  getGroups(fit$data[match(row.names(fit$groups), row.names(fit$data)), ], form)
}

# nlme computes normalized residuals in input order with factors in group-sorted order; here both are sorted.
normalized_in_order <- function(fit) {
  cor <- fit$modelStruct$corStruct
  if (is.null(cor)) return(NULL)
  pearson <- as.vector(if (inherits(fit, "lme")) residuals(fit, type = "pearson") else resid(fit, type = "pearson"))
  pearson <- pearson[!is.na(pearson)]
  groups <- if (inherits(fit, "lme")) sorting_groups(fit) else if (!is.null(fit$groups)) data.frame(fit$groups)
  sorted <- if (is.null(groups)) seq_along(pearson) else do.call(order, unname(as.list(groups)))
  out <- pearson
  out[sorted] <- recalc(cor, list(Xy = as.matrix(pearson[sorted])))$Xy[, 1]
  out
}

random_of <- function(fit) {
  levels <- rev(names(fit$modelStruct$reStruct))
  out <- lapply(levels, function(group) {
    cov <- as.matrix(fit$modelStruct$reStruct[[group]]) * fit$sigma^2
    sd <- sqrt(diag(cov))
    cor <- cov / outer(sd, sd)
    diag(cor) <- 1
    list(stddev = named(setNames(sd, colnames(cov))), cor = matrix_of(cor))
  })
  setNames(out, levels)
}

ranef_of <- function(fit) {
  table <- ranef(fit)
  if (is.data.frame(table)) table <- setNames(list(table), names(fit$groups)[1])
  lapply(as.list(table), function(one) {
    one <- as.matrix(one)
    out <- matrix_of(one[seq_len(min(CUT_GROUPS, nrow(one))), , drop = FALSE])
    if (nrow(one) > CUT_GROUPS) out$truncated <- TRUE
    out
  })
}

# an error where the log-likelihood has a direction without curvature: then the split between variances is arbitrary
identified <- function(fit) {
  fine <- setNames(list(), character())
  if (is.character(fit$apVar)) return(list(error = fit$apVar))
  if (length(coef(fit$modelStruct)) == 0) return(fine)
  if (!is.matrix(fit$apVar)) return(list(error = "singular approximate variance-covariance"))
  information <- solve(fit$apVar)
  scale <- sqrt(diag(information))
  curvature <- eigen(information / outer(scale, scale), symmetric = TRUE, only.values = TRUE)$values
  if (min(curvature) < FLAT * max(curvature)) list(error = "a direction of the log-likelihood is flat") else fine
}

results_of <- function(fit) {
  ll <- logLik(fit)
  summary <- summary(fit)
  is_lm <- inherits(fit, "lm")
  table <- if (is_lm) summary$coefficients else summary$tTable
  out <- list(logLik = number(as.numeric(ll)), AIC = number(AIC(fit)), BIC = number(BIC(fit)), df = attr(ll, "df"),
              nobs = attr(ll, "nobs"), sigma = number(summary$sigma))
  beta <- if (inherits(fit, "lme")) fixef(fit) else coef(fit)
  out$fixef <- named(beta)
  out$vcov <- matrix_of(vcov(fit))
  out$tTable <- matrix_of(table)
  if (is_lm) {
    out$fitted <- list(fitted = head_of(fitted(fit)))
    out$residuals <- list(response = head_of(residuals(fit)))
    return(out)
  }
  out$sigma_fixed <- isTRUE(attr(fit$modelStruct, "fixedSigma"))
  if (inherits(fit, "lme")) {
    out$re <- random_of(fit)
    out$ranef <- ranef_of(fit)
    out$fitted <- lapply(as.list(as.data.frame(fit$fitted)), head_of)
  } else out$fitted <- list(fitted = head_of(as.vector(fit$fitted)))
  out$varStruct <- structure_of(fit$modelStruct$varStruct)
  out$corStruct <- structure_of(fit$modelStruct$corStruct)
  std <- attr(fit$residuals, "std")
  out$residual_std <- head_of(as.vector(std))
  kinds <- c("response", "pearson", "normalized")
  out$residuals <- lapply(setNames(kinds, kinds), function(kind) head_of(as.vector(residuals(fit, type = kind))))
  correct <- normalized_in_order(fit)
  if (!is.null(correct)) out$normalized_correct <- head_of(correct)
  z <- na.omit(as.vector(residuals(fit, type = "pearson")))
  out$resid_quantiles <- named(setNames(quantile(z, names = FALSE), c("Min", "Q1", "Med", "Q3", "Max")))
  out$anova_sequential <- anova_of(fit, "sequential")
  out$anova_marginal <- anova_of(fit, "marginal")
  out$intervals <- intervals_of(fit)
  out$apVar <- identified(fit)
  out
}

# ---- comparison with what is stored -------------------------------------------------------------------------------

# largest relative distance of the numbers in two nested lists; names that only one of them has are not compared
distance <- function(new, old) {
  if (is.list(old) && !is.null(names(old)) && is.list(new)) {
    both <- intersect(names(new), names(old))
    return(max(0, vapply(both, function(key) distance(new[[key]], old[[key]]), 0)))
  }
  a <- suppressWarnings(as.numeric(unlist(new, use.names = FALSE)))
  b <- suppressWarnings(as.numeric(unlist(old, use.names = FALSE)))
  if (length(a) != length(b)) return(Inf)
  seen <- is.finite(a) & is.finite(b)
  if (!any(seen)) return(0)
  max(abs(a[seen] - b[seen])) / max(abs(b[seen]), 1e-8)
}

check_case <- function(one) {
  fit <- tryCatch(fit_case(one), error = function(e) e)
  if (isTRUE(one$nlme_failed))
    return(if (inherits(fit, "error")) c(fails = 0) else c(fails = Inf))
  if (inherits(fit, "error")) stop(one$id, ": ", conditionMessage(fit))
  fresh <- results_of(fit)
  keys <- intersect(names(fresh), names(one$results))
  vapply(setNames(keys, keys), function(key) distance(fresh[[key]], one$results[[key]]), 0)
}

# anova tables of several fits, and the calls on one FIT (ACF, Variogram, predict, getVarCov, anova(L=), ...)
tables <- function(match, by_id) {
  for (one in Filter(function(o) grepl(match, o$id), read_family("tables"))) {
    if (one$kind == "comparison") {
      fits <- lapply(unlist(one$fits), function(id) fit_case(by_id[[id]]))
      fresh <- do.call(anova, c(fits, one$args))
      gap <- distance(as.list(fresh[["logLik"]]), one$table$logLik)
    } else {
      place <- new.env(parent = globalenv())
      name <- if (is.null(one$fit)) sub(".*data = (\\w+).*", "\\1", one$call) else by_id[[one$fit]]$data
      assign(name, frame_of(name), envir = place)
      if (!is.null(one$fit)) assign("FIT", fit_case(by_id[[one$fit]]), envir = place)
      fresh <- tryCatch(eval(parse(text = one$call), envir = place), error = function(e) list(error = conditionMessage(e)))
      gap <- if (!is.null(names(one$result)) && !is.null(one$result$error)) (if (is.null(fresh$error)) Inf else 0) else
        switch(one$kind,
               ACF = distance(fresh$ACF, one$result$ACF),
               Variogram = distance(fresh$variog, one$result$variog),
               anova_L = , anova_terms = distance(fresh[["F-value"]][1], one$result$F),
               getVarCov = distance(as.vector(t(if (is.list(fresh)) fresh[[1]] else unclass(fresh))), one$result$values),
               lmList = distance(as.vector(t(as.matrix(coef(fresh)))), one$result$coef$values),
               predict = if (is.data.frame(fresh)) distance(fresh[[ncol(fresh)]], one$result[[length(one$result)]])
                         else distance(as.vector(fresh), one$result))
    }
    cat(sprintf("%-4s %-28s %.0e\n", if (is.na(gap) || gap > 1e-5) "FAR" else "ok", one$id, gap))
  }
}

main <- function(args) {
  write <- "--write" %in% args
  match <- sub("^--match=", "", c(grep("^--match=", args, value = TRUE), "--match=")[1])
  families <- args[!startsWith(args, "--")]
  if (!length(families)) families <- c("lecture", "books", "help", "own", "products", "tables")
  far <- 0
  for (family in setdiff(families, "tables")) {
    cases <- read_family(family)
    for (i in which(grepl(match, vapply(cases, `[[`, "", "id")))) {
      if (write) {
        if (!isTRUE(cases[[i]]$nlme_failed)) cases[[i]]$results <- results_of(fit_case(cases[[i]]))
        next
      }
      gaps <- tryCatch(check_case(cases[[i]]), error = function(e) {cat(conditionMessage(e), "\n"); c(error = Inf)})
      bad <- gaps[!is.finite(gaps) | gaps > 1e-6]
      ok <- !("logLik" %in% names(bad) || any(!is.finite(gaps)))
      far <- far + !ok
      cat(sprintf("%-4s %-28s %s\n", if (ok) "ok" else "FAR", cases[[i]]$id,
                  paste(sprintf("%s %.0e", names(bad), bad), collapse = ", ")))
    }
    if (write) write_family(family, cases)
  }
  if ("tables" %in% families) {
    everything <- unlist(lapply(c("lecture", "books", "help", "own", "products"), read_family), recursive = FALSE)
    tables(match, setNames(everything, vapply(everything, `[[`, "", "id")))
  }
  cat(far, "cases differ\n")
}

if (!interactive() && sys.nframe() == 0) main(commandArgs(TRUE))
