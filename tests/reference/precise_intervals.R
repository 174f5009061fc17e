# nlme's own intervals at longer steps of its Hessian, where its default ones and ours are apart.
#
#   Rscript precise_intervals.R ID ...       (writes precise_intervals.json.gz)
#
# lmeControl(.relStep = 1e-3) and 1e-4 instead of the default 6e-6: an argument of nlme, nothing is replaced. The
# stored cases have intervals of nlme's likelihood differentiated symmetrically (remake_cases.R); these here show that
# nlme gives the same when it is asked for longer steps.

suppressPackageStartupMessages({library(nlme); library(jsonlite)})
options(warn = -1)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
folder <- dirname(normalizePath(script))
default_hessian <- getFromNamespace("fdHess", "nlme")
here <- new.env()
sys.source(file.path(folder, "remake_cases.R"), envir = here)
assignInNamespace("fdHess", default_hessian, "nlme")  # remake_cases.R put its own there

at_step <- function(one, step) {
  options(contrasts = unlist(one$contrasts))
  place <- new.env(parent = globalenv())
  assign(one$data, here$frame_of(one$data), envir = place)
  call <- parse(text = one$call)[[1]]
  if (!is.na(step)) call$control <- as.call(c(as.name("c"), call$control, bquote(list(.relStep = .(step)))))
  tryCatch({
    parts <- here$intervals_of(eval(call, place))
    parts[setdiff(names(parts), c("fixed", "coef", "sigma"))]
  }, error = function(e) list(error = conditionMessage(e)))
}

ids <- commandArgs(TRUE)
cases <- unlist(lapply(c("lecture", "books", "help", "own"), here$read_family), recursive = FALSE)
cases <- Filter(function(one) one$id %in% ids, cases)
out <- lapply(cases, function(one) list(default = at_step(one, NA), step_1e3 = at_step(one, 1e-3), step_1e4 = at_step(one, 1e-4)))
names(out) <- vapply(cases, `[[`, "", "id")
con <- gzfile(file.path(folder, "precise_intervals.json.gz"), "w", compression = 9)
writeLines(toJSON(out, auto_unbox = TRUE, digits = 8, null = "null", na = "null"), con)
close(con)
