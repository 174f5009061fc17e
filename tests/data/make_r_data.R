# R's own model matrices, contrasts, factor levels, subsets and number labels for the tests of the data floor.
# Rscript make_r_data.R   writes r_frame.csv, r_new.csv and r_data.json.gz beside it.
library(jsonlite)
library(splines)
set.seed(20260301)
n <- 36
d <- data.frame(
  x = as.numeric(sample(1:5, n, TRUE)), z = round(rnorm(n), 3), a = sample(c("u", "v", "w"), n, TRUE),
  b = sample(c("lo", "mid", "hi"), n, TRUE), o = sample(c("s1", "s2", "s3", "s4"), n, TRUE),
  l = runif(n) < 0.5, ch = sample(c("Zed", "abc", "Q"), n, TRUE), y = round(rnorm(n), 3))
new <- d[sample.int(n, 7), ]
new$z <- round(new$z + 0.5, 3)
write.csv(d, "r_frame.csv", row.names = FALSE, quote = FALSE)
write.csv(new, "r_new.csv", row.names = FALSE, quote = FALSE)
typed <- function(f) {
  f$a <- factor(f$a, levels = c("w", "u", "unused", "v"))
  f$b <- factor(f$b, levels = c("lo", "mid", "hi"))
  f$o <- factor(f$o, levels = c("s1", "s2", "s3", "s4"), ordered = TRUE)
  f
}
d <- typed(d)
new <- typed(new)

atoms <- c("x", "z", "a", "b", "o", "l", "ch", "factor(x)", "ordered(x)", "poly(z, 2)", "poly(x, 2)", "scale(z)",
           "I(x - 3)", "log(x)", "I(x^2)", "poly(z, 1)", "I(x > 2)", "poly(z, 2, raw = TRUE)", "C(b, contr.sum)",
           "sqrt(x)", "cut(x, c(0, 2, 5))", "as.numeric(o)", "relevel(b, ref = \"hi\")", "interaction(b, l)")
formula_text <- function() {
  k <- sample.int(4, 1)
  f <- paste0(sample(atoms, k), c(sample(c(" + ", " * ", ":", " + ", " / "), k, TRUE)[-1], ""), collapse = "")
  u <- runif(1)
  if (u < 0.2) f <- paste("0 +", f) else if (u < 0.4) f <- paste(f, "- 1") else if (u < 0.45) f <- paste0("(", f, ")^2")
  paste("y ~", f)
}
fixed <- c("y ~ 0 + a:x + a:b", "y ~ a:b", "y ~ a - 1", "y ~ b + a + a:b", "y ~ a %in% b", "y ~ (a + b + o)^2 - a:b",
           "y ~ a*b*o", "y ~ x + 0", "y ~ 1", "y ~ a:o + b", "y ~ a/b/x", "y ~ x^2", "y ~ .", "y ~ a*l - 1 - a",
           "y ~ . - ch", "y ~ 0 + b:o", "y ~ o*a - o")
splines <- c("y ~ ns(z, 3)", "y ~ a * ns(z, df = 2)", "y ~ bs(z, df = 5) + b", "y ~ bs(z)", "y ~ ns(z)", "y ~ bs(z, 4, degree = 2):l",
             "y ~ ns(z, knots = c(-0.5, 0, 0.7), Boundary.knots = c(-2, 1))", "y ~ 0 + bs(z, knots = 0.1, intercept = TRUE)",
             "y ~ ns(log(x), 2, intercept = TRUE) - 1", "y ~ splines::ns(z, 4)", "y ~ bs(z, df = 3, degree = 1, Boundary.knots = c(-4, 4))",
             "y ~ bs(z, df = 5, Boundary.knots = c(-1, 1))", "y ~ ns(z, df = 4, Boundary.knots = c(-1, 1))")
formulas <- unique(c(fixed, replicate(250, formula_text()), splines))
pairs <- list(c("contr.treatment", "contr.poly"), c("contr.sum", "contr.poly"), c("contr.helmert", "contr.helmert"),
              c("contr.SAS", "contr.sum"))
digest <- function(X) list(weighted = I(as.numeric(crossprod(X, sqrt(seq_len(nrow(X)))))), squares = I(as.numeric(colSums(X^2))))
matrix_case <- function(i) {
  pair <- pairs[[(i - 1) %% 4 + 1]]
  options(contrasts = pair)
  f <- as.formula(formulas[i])
  m <- tryCatch(model.frame(f, d, drop.unused.levels = TRUE), error = function(e) NULL)
  if (is.null(m)) return(NULL)
  X <- model.matrix(f, m)
  mt <- delete.response(terms(m))
  again <- model.frame(mt, new, xlev = .getXlevels(mt, m))
  N <- model.matrix(mt, again, contrasts.arg = attr(X, "contrasts"))
  list(formula = formulas[i], contrasts = pair, names = I(as.character(colnames(X))), assign = I(attr(X, "assign")),
       fit = digest(X), new = digest(N))
}
matrices <- Filter(Negate(is.null), lapply(seq_along(formulas), matrix_case))

contrast_case <- function(name, m) {
  levels <- letters[seq_len(m)]
  M <- get(name)(levels)
  f <- factor(levels, levels = levels)
  contrasts(f) <- name
  list(name = name, levels = I(levels), matrix = unname(M), names = I(sub("^f", "", colnames(model.matrix(~f))[-1])))
}
contrasts_all <- unlist(lapply(c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS"),
                               function(k) lapply(2:7, function(m) contrast_case(k, m))), recursive = FALSE)

numbers <- c(1, 10, 0.1, 1/3, 1e5, 123456, 1e-5, 0.0001, 1e15, 1e5 + 0.1, 2.5, -3, 100000.5, 1e22, 123456789.123, -0.00012)
e <- d
e$x[c(2, 9)] <- NA
e$a[4] <- NA
e$l[7] <- NA
subsets <- c("x > 2", "x != 3", "a == 'u'", "!(a == 'u')", "a %in% c('u', 'v')", "o > 's2'", "o <= 's1' | x > 4", "l", "!l",
             "l & x < 3", "!is.na(x) & x > 1", "x %in% c(1, 5)", "x %% 2 == 1", "x %/% 2 == 1", "z > 0 | NA", "ch == 'Q'",
             "as.character(a) != ch", "as.numeric(o) > 2", "log(x) > 1 & !is.na(a)", "-x < -2", "ifelse(l, x, z) > 1", "l == TRUE",
             "pmin(x, 3) == 3", "abs(z) < 0.5", "round(z) == 1", "x == 2 | l", "ch > 'abc'")
subset_case <- function(text) {
  keep <- eval(parse(text = text), e)
  list(text = text, rows = I(which(keep & !is.na(keep))))
}
factors <- c("factor(x)", "ordered(x, levels = c(5, 3, 1))", "factor(a, levels = c('v', 'u'), labels = c('V', 'U'))",
             "cut(z, c(-1, 0, 1))", "cut(x, c(1, 3, 5), include.lowest = TRUE)", "cut(x, c(1, 3, 5), right = FALSE)",
             "cut(z, c(-10, 0.123, 0.1234, 10), labels = c('p', 'q', 'r'))", "interaction(b, l)", "as.character(b)",
             "relevel(b, ref = 'hi')", "factor(ch)", "factor(z > 0)", "as.factor(as.numeric(o))", "ordered(o)")
factor_case <- function(text) {
  f <- eval(parse(text = text), d)
  if (is.character(f)) f <- factor(f)
  list(text = text, levels = I(levels(f)), codes = I(as.integer(f)), ordered = is.ordered(f))
}
values <- c("log(x, 2)", "logb(x)", "log2(x) + log10(x) + log1p(x)", "exp(z) - expm1(z)", "round(z, 1)", "pmax(x, z, 2)",
            "sin(2 * pi * z) + cos(z) - tan(z)", "asin(z / 10) + acos(z / 10) + atan(z)", "sinh(z) + cosh(z) - tanh(z)",
            "floor(z) + ceiling(z) + trunc(z) + sign(z)", "as.integer(z * 3)", "as.numeric(factor(x))", "x^2 - 2^x", "-x^2",
            "z %% 2", "z %/% 2", "(x - mean(x)) / sd(x)", "x - median(x) + min(x) - max(x)", "l + 1", "as.numeric(l)",
            "ifelse(x > 2, z, 0)", "var(z) * sum(x) / length(x)", "as.numeric(as.character(factor(x)))", "1e2 * x")
value_case <- function(text) list(text = text, values = I(as.numeric(eval(parse(text = text), d))))

out <- list(R = R.version.string, matrices = matrices, contrasts = contrasts_all,
            labels = list(numbers = numbers, text = as.character(numbers)), subsets = lapply(subsets, subset_case),
            factors = lapply(factors, factor_case), values = lapply(values, value_case))
con <- gzfile("r_data.json.gz", "w")
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE), con)
close(con)
