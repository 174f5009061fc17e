# Marginal means, slopes and their contrasts by R's emmeans, kept in means.json.
# Run: Rscript tests/fit/inference/make_means.R   (nlme, lme4, pbkrtest, emmeans, jsonlite)
suppressMessages({
  library(nlme)
  library(emmeans)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.poly"))
emm_options(msg.interaction = FALSE, msg.nesting = FALSE)

table_of <- function(x) {
  s <- as.data.frame(summary(x, infer = c(TRUE, TRUE)))
  names(s) <- sub("^(emmean|estimate|.*\\.trend)$", "Value", names(s))
  list(
    Value = s$Value, Std.Error = s$SE, DF = s$df, lower = s$lower.CL, upper = s$upper.CL,
    p = s$p.value
  )
}
quiet <- function(x) suppressMessages(suppressWarnings(x))

orthodont <- lme(distance ~ Sex * age, Orthodont, random = ~ 1 | Subject)
oats <- lme(yield ~ ordered(nitro) * Variety, Oats, random = ~ 1 | Block / Variety)
machines <- Machines[11:54, ]
unbalanced <- lme(score ~ Machine, machines, random = ~ 1 | Worker / Machine)
ml <- lme(distance ~ Sex + poly(age, 2), Orthodont, random = ~ 1 | Subject, method = "ML")
weight <- gls(weight ~ Diet * Time, BodyWeight, correlation = corAR1(form = ~ 1 | Rat))
breaks <- lm(breaks ~ wool * tension, warpbreaks[-(1:5), ])
additive <- lm(breaks ~ wool + tension, warpbreaks[-(1:5), ])
kr <- lme4::lmer(score ~ Machine + (1 | Worker / Machine), machines)

m_sex <- emmeans(orthodont, ~Sex, mode = "containment")
m_oats <- quiet(emmeans(oats, ~Variety, mode = "containment"))
m_cells <- quiet(emmeans(oats, ~ nitro | Variety, mode = "containment"))
m_machine <- emmeans(unbalanced, ~Machine, mode = "containment")
m_kr <- emmeans(kr, ~Machine, lmer.df = "kenward-roger")
m_gls <- quiet(emmeans(weight, ~Diet, mode = "df.error"))
m_wool <- quiet(emmeans(breaks, ~wool))

out <- list(
  sex = table_of(m_sex),
  sex_at = table_of(emmeans(orthodont, ~ Sex + age, at = list(age = c(8, 14)), mode = "containment")),
  sex_slope = table_of(emtrends(orthodont, ~Sex, var = "age", mode = "containment")),
  sex_slope_pairs = table_of(pairs(emtrends(orthodont, ~Sex, var = "age", mode = "containment"))),
  oats = table_of(m_oats),
  oats_pairs = table_of(pairs(m_oats)),
  cells_pairs = table_of(pairs(m_cells)),
  cells_reference = table_of(contrast(m_cells, "trt.vs.ctrl1", adjust = "holm")),
  cells_linear = table_of(contrast(m_cells, list(linear = c(-3, -1, 1, 3)))),
  machine_pairs = table_of(pairs(m_machine)),
  machine_bonferroni = table_of(pairs(m_machine, adjust = "bonferroni")),
  kr = table_of(m_kr),
  kr_pairs = table_of(pairs(m_kr)),
  ml = table_of(emmeans(ml, ~Sex, mode = "containment")),
  gls = table_of(m_gls),
  gls_slope_pairs = table_of(pairs(emtrends(weight, ~Diet, var = "Time", mode = "df.error"))),
  wool = table_of(m_wool),
  wool_proportional = table_of(emmeans(additive, ~wool, weights = "proportional")),
  wool_interaction_proportional = table_of(quiet(emmeans(breaks, ~wool, weights = "proportional")))
)
file <- sub("make_means.R", "means.json", sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
write(toJSON(out, digits = 12, pretty = FALSE), file)
