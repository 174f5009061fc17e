# Confirm with nlme's own likelihood function the cases where we find a higher log-likelihood than R's optimisers.
#
#   python -m reference.export_higher > higher.jsonl        (in tests/: the parameters that the package found)
#   Rscript verify_higher.R higher.jsonl                    (writes verified.txt, the ids, and verified.csv, the values)
#
# lme() and gls() run as they are, with a spy in the place of their optimiser: it optimises as they would, then
# evaluates their objective, which lacks constants, at our parameters too. Our log-likelihood on nlme's scale is
# nlme's own plus the difference of the two. Natural parameters are brought to the unconstrained scale through
# nlme's own coef() methods.

suppressPackageStartupMessages({library(nlme); library(jsonlite)})
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
here <- new.env()
sys.source(file.path(dirname(normalizePath(script)), "remake_cases.R"), envir = here)

# unconstrained coefficients of a corStruct or varFunc whose natural ones are `target`
unconstrained_at <- function(part, target) {
  at <- function(u) coef(`coef<-`(part, value = u), unconstrained = FALSE)
  loss <- function(u) {
    gap <- tryCatch(at(u), error = function(e) NA) - target
    if (anyNA(gap)) 1e10 else sum((gap / (abs(target) + 1e-3))^2)
  }
  start <- as.numeric(coef(part))
  if (inherits(part, "corSpatial")) {
    least <- if (inherits(part, c("corLin", "corSpher"))) attr(part, "minD") else 0  # of a range
    return(c(log(target[1] - least), if (length(target) > 1) log(target[2] / (1 - target[2]))))
  }
  for (turn in 1:20) {
    found <- nlm(loss, start, gradtol = 1e-14, steptol = 1e-14, iterlim = 1000)
    start <- found$estimate
    if (found$minimum < 1e-18) break
  }
  if (found$minimum > 1e-7) stop("natural parameters not reached: ", found$minimum)
  start
}

parameters_at <- function(model, ours) {
  random <- unlist(lapply(names(model$reStruct), function(group) {
    value <- matrix(unlist(ours$random[[group]]), nrow = length(ours$random[[group]]))
    spread <- eigen(value, symmetric = TRUE)
    least <- 1e-9 * max(spread$values, 1e-3)  # nlme optimises over the inverse, so a zero becomes a small variance
    precision <- spread$vectors %*% (t(spread$vectors) / pmax(spread$values, least))
    pd <- model$reStruct[[group]]
    coef(pdConstruct(pd, value = (precision + t(precision)) / 2, form = formula(pd), nam = Names(pd)))
  }))
  serial <- if (!is.null(model$corStruct) && length(coef(model$corStruct)))
    unconstrained_at(model$corStruct, unlist(ours$correlation))
  variance <- if (!is.null(model$varStruct) && length(coef(model$varStruct)))
    unconstrained_at(model$varStruct, unlist(ours$weights))
  as.numeric(c(random, serial, variance))
}

# nlme's log-likelihood at our parameters
evaluate <- function(one) {
  call <- parse(text = one$call)[[1]]
  name <- as.character(call[[1]])
  seen <- NULL
  spy <- new.env(parent = asNamespace("nlme"))
  spy$nlminb <- function(start, objective, ...) {
    model <- get(if (name == "lme") "lmeSt" else "glsSt", environment(objective))
    theta <- parameters_at(model, one)
    if (needUpdate(model)) {  # weights by fitted values: does nlme's own alternation, begun at ours, stay?
      if (is.null(seen)) start <- theta
      seen <<- 0
      return(stats::nlminb(start, objective, ...))
    }
    found <- stats::nlminb(start, objective, ...)
    seen <<- objective(found$par) - objective(theta)
    found
  }
  place <- new.env(parent = globalenv())
  fun <- if (name == "lme") getFromNamespace("lme.formula", "nlme") else nlme::gls
  environment(fun) <- spy
  place$spied <- fun
  call[[1]] <- as.name("spied")
  if (name == "lme") call$control <- as.call(c(as.name("c"), call$control, quote(list(returnObject = TRUE, niterEM = 0))))
  options(contrasts = unlist(one$contrasts), warn = -1)
  assign(one$data, here$frame_of(one$data), envir = place)
  as.numeric(logLik(eval(call, place))) + seen
}

if (!interactive()) {
  rows <- lapply(readLines(commandArgs(TRUE)[1]), function(line) {
    one <- fromJSON(line, simplifyVector = FALSE)
    value <- tryCatch(evaluate(one), error = function(e) {message(one$id, ": ", conditionMessage(e)); NA})
    data.frame(id = one$id, ours = one$loglik, nlme_at_ours = value, nlme_default = one$default)
  })
  table <- do.call(rbind, rows)
  confirmed <- !is.na(table$nlme_at_ours) & abs(table$nlme_at_ours - table$ours) < 1e-6 * abs(table$ours) + 1e-4
  print(cbind(table, confirmed), digits = 10)
  folder <- dirname(normalizePath(script))
  write.csv(table[confirmed, ], file.path(folder, "verified.csv"), row.names = FALSE, quote = FALSE)
  writeLines(table$id[confirmed], file.path(folder, "verified.txt"))
}
