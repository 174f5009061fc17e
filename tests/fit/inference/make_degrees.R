# F and denominator degrees of freedom by lmerTest (Satterthwaite) and pbkrtest (Kenward-Roger).
#
#   Rscript make_degrees.R       (writes degrees_r.json beside it; reads the package's own data files)
#
# Every model gets its coefficients one by one, its terms ("marginal": all coefficients of a term), and its terms in
# sequence as nlme does them: rows of the Cholesky factor of the coefficients' precision, with a diagonal of ones.

suppressPackageStartupMessages({library(lmerTest); library(pbkrtest); library(jsonlite)})
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
folder <- dirname(normalizePath(script))
store <- file.path(folder, "../../bayeslme/data/datasets")
catalogue <- fromJSON(file.path(store, "catalogue.json"), simplifyVector = FALSE)

frame_of <- function(name) {  # factors unordered: treatment contrasts throughout
  frame <- read.csv(gzfile(file.path(store, "files", paste0(name, ".csv.gz"))))
  columns <- catalogue[[name]]$columns
  for (column in names(columns)) {
    levels <- unlist(columns[[column]]$levels)
    if (!is.null(levels)) frame[[column]] <- factor(as.character(frame[[column]]), levels = levels)
  }
  frame
}

models <- list(
  intercepts = list("Orthodont", "distance ~ Sex * age", "(1 | Subject)"),
  slopes = list("Orthodont", "distance ~ Sex * age", "(age | Subject)"),
  slopes_ml = list("Orthodont", "distance ~ Sex * age", "(age | Subject)", ml = TRUE),
  split_plot = list("Oats", "yield ~ nitro * Variety", "(1 | Block/Variety)"),
  sleep = list("sleepstudy", "Reaction ~ Days", "(Days | Subject)"),
  sleep_diagonal = list("sleepstudy", "Reaction ~ Days", "(1 | Subject) + (0 + Days | Subject)"),
  machines = list("Machines", "score ~ Machine", "(1 | Worker/Machine)"),
  machines_unbalanced = list("Machines", "score ~ Machine", "(1 | Worker/Machine)",
                             drop = c(2, 3, 6, 8, 9, 12, 19, 20, 27, 33)),
  machines_general = list("Machines", "score ~ Machine", "(Machine | Worker)"),
  pups = list("RatPupWeight", "weight ~ Treatment * sex + Lsize", "(1 | Litter)"),
  pixel = list("Pixel", "pixel ~ day + I(day^2)", "(day | Dog) + (1 | Dog:Side)"),
  oxide = list("Oxide", "Thickness ~ Source", "(1 | Lot/Wafer)"),
  chicks = list("ChickWeight", "weight ~ Time * Diet", "(Time | Chick)"),
  crossed = list("Assay", "logDens ~ sample * dilut", "(1 | Block) + (1 | Block:sample) + (1 | Block:dilut)"),
  zero = list("Dyestuff2", "Yield ~ 1", "(1 | Batch)")
)

tests <- function(fit, contrasts) {
  beta <- fixef(fit)
  one <- function(L) {
    s <- contestMD(fit, L, ddf = "Satterthwaite")
    out <- list(satterthwaite = c(s$`F value`, s$DenDF))
    if (getME(fit, "is_REML")) {
      k <- KRmodcomp(fit, L)$test["Ftest", ]
      out$kenward_roger <- c(k$stat, k$ddf)
    }
    out
  }
  lapply(contrasts, one)
}

made <- lapply(models, function(one) {
  data <- frame_of(one[[1]])
  if (!is.null(one$drop)) data <- data[-one$drop, ]
  ml <- isTRUE(one$ml)
  fit <- suppressMessages(lmer(as.formula(paste(one[[2]], "+", one[[3]])), data, REML = !ml,
    control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))))
  assign <- attr(model.matrix(fit), "assign")
  p <- length(assign)
  by_term <- function(rows) lapply(unique(assign), function(k) rows[assign == k, , drop = FALSE])
  coefficients <- lapply(seq_len(p), function(j) diag(p)[j, , drop = FALSE])
  root <- chol(solve(as.matrix(vcov(fit))))
  root <- root / diag(root)
  list(data = one[[1]], fixed = one[[2]], random = one[[3]], drop = I(as.integer(unlist(one$drop))), method = if (ml) "ML" else "REML",
       loglik = as.numeric(logLik(fit)), beta = unname(fixef(fit)),
       std_error = unname(sqrt(diag(as.matrix(vcov(fit))))),
       adjusted_error = if (!ml) unname(sqrt(diag(as.matrix(vcovAdj(fit))))),
       coefficients = tests(fit, coefficients), marginal = tests(fit, by_term(diag(p))),
       sequential = tests(fit, by_term(root)))
})
out <- list(versions = lapply(c(R = "base", lme4 = "lme4", lmerTest = "lmerTest", pbkrtest = "pbkrtest"),
                              function(p) as.character(packageVersion(p))), models = made)
writeLines(toJSON(out, auto_unbox = TRUE, digits = 12, null = "null"), file.path(folder, "degrees_r.json"))
