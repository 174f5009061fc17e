# Writes profiles.json: profile-likelihood intervals of lme4 for ML fits with random intercepts.
# Rscript make_profiles.R
library(lme4)
library(jsonlite)
data(Orthodont, Oats, Rail, package = "nlme")
one <- function(formula, data) {
  fit <- lmer(formula, data, REML = FALSE)
  limits <- confint(fit, method = "profile", level = 0.9, oldNames = FALSE, quiet = TRUE,
    devtol = 1e-9, delta.cutoff = 1 / 40)
  list(names = rownames(limits), lower = limits[, 1], upper = limits[, 2])
}
cases <- list(
  orthodont = one(distance ~ age + Sex + (1 | Subject), as.data.frame(Orthodont)),
  oats = one(yield ~ nitro + (1 | Block / Variety), as.data.frame(Oats)),
  rail = one(travel ~ 1 + (1 | Rail), as.data.frame(Rail)),
  dyestuff2 = one(Yield ~ 1 + (1 | Batch), Dyestuff2),
  sleepstudy = one(Reaction ~ Days + (Days | Subject), sleepstudy))
writeLines(toJSON(cases, digits = 10, auto_unbox = FALSE), "profiles.json")
