# Random formulas and expressions with R's own terms(), update() and deparse(), stored for test_terms.py.
# Rscript make_r_formulas.R > r_formulas.json
library(jsonlite)
set.seed(20260201)
atoms <- c("a", "b", "c", "d", "x", "IQ.ver.cen", "I(x - 11)", "log(x)", "I(days/100)", "`a b`",
           "factor(a)", "poly(x, 2)", "sin(2 * pi * x)", "1", "0")
pick <- function(v) v[sample.int(length(v), 1)]
formula_text <- function(depth) {
  if (depth == 0 || runif(1) < 0.25) return(pick(atoms))
  op <- pick(c(" + ", " + ", " + ", " * ", ":", "/", " - ", " %in% ", "^"))
  left <- formula_text(depth - 1)
  if (op == "^") return(paste0("(", left, ")^", pick(c("1", "2", "3"))))
  right <- formula_text(depth - 1)
  wrap <- function(s) if (runif(1) < 0.4) paste0("(", s, ")") else s
  text <- paste0(wrap(left), op, wrap(right))
  if (runif(1) < 0.05) paste0("-", text) else text
}
terms_case <- function(text) {
  t <- tryCatch(terms(as.formula(text)), error = function(e) NULL)
  if (is.null(t)) return(NULL)
  f <- attr(t, "factors")
  coding <- if (length(f) == 0) list() else lapply(seq_len(ncol(f)), function(j) f[f[, j] > 0, j] == 1)
  list(formula = text, deparsed = paste(deparse(as.formula(text), 500), collapse = " "),
       intercept = attr(t, "intercept") == 1, labels = I(as.character(attr(t, "term.labels"))),
       order = I(as.integer(attr(t, "order"))), contrasted = lapply(coding, function(v) I(unname(v))))
}
update_case <- function(old, new) {
  u <- tryCatch(update(as.formula(old), as.formula(new)), error = function(e) NULL)
  if (is.null(u)) return(NULL)
  list(old = old, new = new, updated = paste(deparse(u, 500), collapse = " "))
}
expression_text <- function(depth) {
  if (depth == 0 || runif(1) < 0.2)
    return(pick(c("a", "b", "x.y", "`a b`", "2", "0.5", "1e5", "1e-5", "100000", "123456.789", "1L", "TRUE",
                  "NULL", "\"s\"", "'q\"q'", "4.5679", "0.1", "1e15", "3.14159265358979", ".5", "150000")))
  kind <- runif(1)
  if (kind < 0.15) return(paste0(pick(c("-", "+", "!")), expression_text(depth - 1)))
  if (kind < 0.3) return(paste0("(", expression_text(depth - 1), ")"))
  if (kind < 0.45) return(paste0("f(", expression_text(depth - 1), ", n = ", expression_text(depth - 1), ")"))
  op <- pick(c("+", "-", "*", "/", "^", ":", "%in%", "==", "<=", "&", "|", "~"))
  paste0(expression_text(depth - 1), op, expression_text(depth - 1))
}
expression_case <- function(text) {
  e <- tryCatch(parse(text = text, keep.source = FALSE), error = function(e) NULL)
  if (is.null(e)) return(list(text = text, deparsed = NA))
  # a lone symbol is deparsed without its backticks: not what labels show
  list(text = text, deparsed = paste(deparse(e[[1]], 500, backtick = TRUE), collapse = " "))
}
keep <- function(xs) Filter(Negate(is.null), xs)
terms_cases <- keep(lapply(1:700, function(i)
  terms_case(paste0(pick(c("~", "y ~ ", "y ~ ", "log(y) ~ ", "x ~ ")), formula_text(sample(1:4, 1))))))
update_cases <- keep(lapply(1:300, function(i)
  update_case(paste0(pick(c("y ~ ", "log(y) ~ ", "a + b ~ ")), formula_text(2)),
              paste0(pick(c(". ~ ", "~ ", "sqrt(.) ~ ", "z ~ ", ".^2 ~ ")), pick(c(".", ".", "(.)^2", "1", "b")),
                     pick(c(" + ", " - ", ":", " * ", "/")), formula_text(1)))))
numbers <- c(0, 1, 10, 100, 1e5, 123456, 1e-4, 1e-5, 0.1 + 0.2, 1/3, 2/3, 1e15, 1e16, 1e22, 1e300, 1.5e-300,
             123456789, 1234567890123456, 0.00012345, exp(rnorm(200, 0, 12)), signif(exp(rnorm(100, 0, 8)), 3))
cat(toJSON(list(
  terms = terms_cases, updates = update_cases,
  expressions = lapply(1:700, function(i) expression_case(expression_text(sample(1:4, 1)))),
  numbers = lapply(numbers, function(x) list(hex = sprintf("%a", x), text = deparse(x)))
), auto_unbox = TRUE, na = "null", digits = NA))
