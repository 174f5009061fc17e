# Times calls of nlme that come on standard input, one a line: DATA, the two contrasts, CALL, separated by tabs.
# Rscript time_nlme.R FOLDER; FOLDER holds DATA.csv and DATA.factors (column, ordered, levels; separated by tabs).
# Answers with the median seconds of a call and the log-likelihood, or with NA and the error.

suppressPackageStartupMessages({library(nlme); library(splines)})
options(warn = -1)
folder <- commandArgs(TRUE)[1]

read_frame <- function(name) {
  factors <- strsplit(readLines(file.path(folder, paste0(name, ".factors"))), "\t", fixed = TRUE)
  columns <- vapply(factors, `[`, "", 1)
  frame <- read.csv(file.path(folder, paste0(name, ".csv")), check.names = FALSE,
                    colClasses = setNames(rep("character", length(columns)), columns))
  for (field in factors)
    frame[[field[1]]] <- factor(frame[[field[1]]], levels = field[-(1:2)], ordered = field[2] == "True")
  frame
}

now <- function() as.numeric(Sys.time())

seconds_of <- function(text) {
  once <- function() {
    begun <- now()
    fit <<- eval(parse(text = text)[[1]])
    now() - begun
  }
  fit <- NULL
  first <- once()
  if (first > LONG) return(list(first, fit))
  list(median(replicate(min(MOST, max(3, ceiling(ENOUGH / first))), once())), fit)
}

LONG <- 0.5   # a call that takes so long is timed once
ENOUGH <- 0.1 # seconds spent on the repetitions of a short one
MOST <- 9

input <- file("stdin", open = "r")
while (length(line <- readLines(input, n = 1)) > 0) {
  field <- strsplit(line, "\t", fixed = TRUE)[[1]]
  if (!exists(field[1], envir = globalenv(), inherits = FALSE)) assign(field[1], read_frame(field[1]), envir = globalenv())
  options(contrasts = field[2:3])
  answer <- tryCatch({
    found <- seconds_of(field[4])
    paste(format(found[[1]], digits = 6), format(as.numeric(logLik(found[[2]])), digits = 12))
  }, error = function(problem) paste("NA", gsub("\n", " ", conditionMessage(problem))))
  cat(answer, "\n", sep = "")
  flush(stdout())
}
