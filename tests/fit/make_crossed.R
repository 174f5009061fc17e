# Makes crossed.json: fits of lme4 with degrees of freedom by lmerTest and pbkrtest.
# Rscript make_crossed.R <folder of CSV files with datasets.json> > crossed.json
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)})
folder <- commandArgs(TRUE)[1]
types <- fromJSON(file.path(folder, "datasets.json"), simplifyVector = FALSE)
read <- function(name) {
  data <- read.csv(file.path(folder, paste0(name, ".csv")), colClasses = NA)
  for (column in names(types[[name]]$columns)) {
    known <- types[[name]]$columns[[column]]
    if (known$type %in% c("factor", "ordered"))
      data[[column]] <- factor(as.character(data[[column]]), unlist(known$levels), ordered = known$type == "ordered")
  }
  data
}
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10), calc.derivs = FALSE,
                       check.conv.singular = "ignore")
calls <- list(
  list("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", TRUE),
  list("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", FALSE),
  list("Pixel", "pixel ~ day + I(day^2) + (1 | Dog/Side) + (1 | day)", TRUE),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject) + (1 | Days)", TRUE),
  list("cake", "angle ~ recipe + (1 | temperature) + (1 | recipe:replicate)", TRUE),
  list("cake", "angle ~ temp + (temp || replicate) + (1 | recipe)", FALSE),
  list("Pastes", "strength ~ 1 + (1 | batch) + (1 | sample)", TRUE),
  list("sleepstudy", "Reaction ~ Days + offset(10 * Days) + (1 | Subject) + (1 | Days)", TRUE),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", TRUE, "1 / (Days + 1)")
)
one <- function(call) {
  data <- read(call[[1]])
  data$.w <- if (length(call) > 3) with(data, eval(parse(text = call[[4]]))) else 1
  fit <- lmerTest::lmer(as.formula(call[[2]]), data, REML = call[[3]], weights = .w, control = control)
  table <- coef(summary(fit))
  vc <- as.data.frame(VarCorr(fit))
  out <- list(data = call[[1]], formula = call[[2]], REML = call[[3]],
              weights = if (length(call) > 3) call[[4]] else NULL,
              loglik = as.numeric(logLik(fit)), npar = attr(logLik(fit), "df"), sigma = sigma(fit),
              fixef = unname(fixef(fit)), se = unname(table[, "Std. Error"]),
              df = unname(table[, "df"]), sd = vc$sdcor[is.na(vc$var2) & vc$grp != "Residual"],
              fitted = unname(fitted(fit))[1:8])
  plain <- lme4::lmer(as.formula(call[[2]]), data, REML = call[[3]], weights = .w, control = control)
  if (call[[3]] && !isSingular(plain)) {
    adjusted <- vcovAdj(plain)
    out$kr_se <- sqrt(diag(as.matrix(adjusted)))
    out$kr_df <- sapply(seq_along(fixef(plain)), function(j)
      Lb_ddf(as.numeric(seq_along(fixef(plain)) == j), vcov(plain), adjusted))
  }
  out
}
cat(toJSON(lapply(calls, one), auto_unbox = TRUE, digits = 12, pretty = TRUE), "\n")
