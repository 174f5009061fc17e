# nlme against itself: its default intervals of variance parameters from inputs that are the same in exact arithmetic.
#
#   Rscript nlme_itself.R       (all cases of precise_intervals.json.gz; writes nlme_itself.json)
#
# reversed: the rows in reverse order (Gaussian series are the same read backwards). shifted: the response plus a linear
# combination of the columns of X, its least-squares fit. doubled: twice the response, standard deviations halved
# afterwards. optim: lmeControl(opt = "optim"), where it ends at the same log-likelihood. Each is left out where it is not the
# same model (shifted: weights by fitted values; reversed: structures that number positions; doubled: const with data).

suppressPackageStartupMessages({library(nlme); library(jsonlite)})
options(warn = -1)
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
folder <- dirname(normalizePath(script))
default_hessian <- getFromNamespace("fdHess", "nlme")
here <- new.env()
sys.source(file.path(folder, "remake_cases.R"), envir = here)
assignInNamespace("fdHess", default_hessian, "nlme")  # remake_cases.R put its own there
SAME <- 1e-6  # of the log-likelihood, relative: the other optimiser found the same optimum
SAME_ESTIMATE <- 0.01  # widths: an estimate further away belongs to another end of the search
TRUSTED <- 20  # limits further out than so many estimates say only that there are none

evaluated <- function(call, frame, name) {
  place <- new.env(parent = globalenv())
  assign(name, frame, envir = place)
  tryCatch(eval(call, place), error = function(e) NULL)
}

limits <- function(fit, size = 1) {  # of all variance parameters, one row each; standard deviations divided by size
  parts <- tryCatch(intervals(fit), error = function(e) NULL)
  if (is.null(parts)) return(NULL)
  tables <- c(parts[intersect(names(parts), c("corStruct", "varStruct"))], as.list(parts$reStruct))
  out <- do.call(rbind, lapply(names(tables), function(part) {
    table <- as.matrix(tables[[part]])
    rownames(table) <- paste(part, rownames(table))
    table
  }))
  scaled <- grepl("sd\\(|std\\. dev", rownames(out))
  out[scaled, ] <- out[scaled, ] / size
  out
}

# largest distance of a limit in widths of the interval; "none" where nlme has no intervals for the same input
apart <- function(mine, base) {
  if (is.null(mine) || is.null(base)) return("none")
  if (!identical(rownames(mine), rownames(base))) return("other parameters")  # varIdent: another stratum comes first
  use <- is.finite(base[, 1]) & is.finite(base[, 3]) & base[, 3] < TRUSTED * abs(base[, 2]) + 1e-8
  gap <- abs(mine - base)[use, , drop = FALSE] / (base[use, 3] - base[use, 1])
  if (max(0, gap[, 2]) > SAME_ESTIMATE) return("other estimates")
  signif(max(0, gap[, c(1, 3)]), 3)
}

itself <- function(one) {
  options(contrasts = unlist(one$contrasts))
  call <- parse(text = one$call)[[1]]
  frame <- as.data.frame(here$frame_of(one$data))
  plain <- evaluated(call, frame, one$data)
  base <- limits(plain)
  weights <- paste(deparse(call$weights), collapse = "")
  numbered <- grepl("corSymm", paste(deparse(call$correlation), collapse = ""))
  follows <- grepl("varPower\\(\\)|varConstPower\\(\\)|fitted", weights)
  again <- function(call, frame, size = 1) limits(evaluated(call, frame, one$data), size)
  with_response <- function(f) {
    call[[2]][[2]] <- f(call[[2]][[2]])
    call
  }
  out <- list(again = apart(again(call, frame), base))
  if (!numbered) {
    out$reversed <- apart(again(call, frame[rev(seq_len(nrow(frame))), ]), base)
  }
  if (!follows) {
    used <- model.frame(eval(call[[2]]), frame, na.action = na.pass)
    frame$.shift <- as.vector(model.matrix(eval(call[[2]]), used) %*% coef(lm(eval(call[[2]]), frame)))
    out$shifted <- apart(again(with_response(function(y) bquote(I(.(y) + .shift))), frame), base)
  }
  if (!grepl("varConst", weights) || !follows)
    out$doubled <- apart(again(with_response(function(y) bquote(I(2 * (.(y))))), frame, 2), base)
  other <- call
  other$control <- as.call(c(as.name("c"), call$control, quote(list(opt = "optim"))))
  other <- evaluated(other, frame, one$data)
  near <- !is.null(other) && abs(logLik(other) - logLik(plain)) < SAME * abs(as.numeric(logLik(plain)))
  if (near) out$optim <- apart(limits(other), base)
  cat(one$id, unlist(out), "\n")
  out
}

ids <- names(fromJSON(gzfile(file.path(folder, "precise_intervals.json.gz")), simplifyVector = FALSE))
cases <- unlist(lapply(c("lecture", "books", "help", "own"), here$read_family), recursive = FALSE)
cases <- Filter(function(one) one$id %in% ids, cases)
out <- lapply(cases, itself)
names(out) <- vapply(cases, `[[`, "", "id")
writeLines(toJSON(out, auto_unbox = TRUE, digits = 4, null = "null", na = "null", pretty = TRUE), file.path(folder, "nlme_itself.json"))
