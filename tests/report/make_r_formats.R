# Writes r_formats.json: numbers as R formats them, names as R abbreviates them.
# Rscript make_r_formats.R
library(jsonlite)
set.seed(20)
draw <- function(k) {
  n <- sample(1:6, 1)
  switch(k %% 6 + 1,
    rnorm(n) * 10^runif(n, -6, 6), round(rnorm(n), sample(0:4, 1)), runif(n),
    rnorm(n) * 10^runif(1, -12, 18), c(0, 10^-sample(1:12, 1)), rnorm(n))
}
numbers <- lapply(1:300, function(k) {
  x <- draw(k)
  list(x = sprintf("%.17g", x), format = format(x), zapped = format(zapsmall(x)))
})
names <- list(
  c("(Intercept)", "SexFemale", "I(age - 11)", "SexFemale:I(age - 11)"),
  c("(Intercept)", "depth1", "depth2", "width1"),
  c("(Intercept)", "sin(2 * pi * Time)", "cos(2 * pi * Time)"),
  c("(Intercept)", "reg2", "reg3", "status2", "reg2:status2", "reg3:status2"),
  c("(Intercept)", "ordered(nitro).L", "ordered(nitro).Q", "VarietyMarvellous", "VarietyVictory",
    "ordered(nitro).L:VarietyMarvellous", "ordered(nitro).Q:VarietyMarvellous",
    "ordered(nitro).L:VarietyVictory", "ordered(nitro).Q:VarietyVictory"),
  c("pressure", "I(pressure^2)", "I(pressure^3)", "pressure:QB300", "I(pressure^2):QB300"),
  c("MachineA", "MachineB", "MachineC"), c("a", "bb", "ccc"), c("x1", "x1:x2", "log(x1 + 1)"))
short <- lapply(names, function(n) list(names = n, short = unname(abbreviate(n, minlength = 6))))
writeLines(toJSON(list(numbers = numbers, names = short), auto_unbox = FALSE), "r_formats.json")
