# Numbers of broom.mixed (and broom, for lm) beside which tidy, glance and augment are tested.
# Rscript make_broom.R > broom.json
suppressMessages({
  library(nlme)
  library(lme4)
  library(broom)
  library(broom.mixed)
  library(jsonlite)
})
whole <- function(fit, ...) {
  list(
    tidy = as.data.frame(tidy(fit, ...)),
    glance = as.data.frame(lapply(glance(fit), as.numeric)),
    augment = head(as.data.frame(augment(fit))[, c(".fitted", ".resid")], 5)
  )
}
growth <- lme(distance ~ age * Sex, Orthodont, ~ age | Subject,
  correlation = corAR1(form = ~ 1 | Subject), weights = varIdent(form = ~ 1 | Sex))
ml <- lme(distance ~ age * Sex, Orthodont, ~ 1 | Subject, method = "ML")
pixel <- lme(pixel ~ day + I(day^2), Pixel, list(Dog = ~ day, Side = ~ 1))
marginal <- gls(distance ~ age * Sex, Orthodont, correlation = corCompSymm(form = ~ 1 | Subject))
line <- lm(distance ~ age, Orthodont)
sleep <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
out <- list(
  growth = whole(growth, effects = "fixed", conf.int = TRUE),
  growth_variance = as.data.frame(tidy(growth, effects = c("ran_pars", "var_model"))),
  growth_random = as.data.frame(tidy(growth, effects = "ran_vals")),
  ml = whole(ml, effects = "fixed", conf.int = TRUE),
  pixel = whole(pixel, effects = "fixed", conf.int = TRUE),
  marginal = whole(marginal),
  line = whole(line, conf.int = TRUE),
  sleep = whole(sleep, effects = "fixed"),
  sleep_variance = as.data.frame(tidy(sleep, effects = "ran_pars")),
  sleep_random = as.data.frame(tidy(sleep, effects = "ran_vals", conf.int = TRUE))
)
cat(toJSON(out, digits = 10, auto_unbox = TRUE, na = "null", dataframe = "columns", pretty = 1))
