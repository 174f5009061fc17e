# One fit of simulated data: Rscript fit.R FOLDER ROWS PACKAGE CALL
# FOLDER holds the columns as 8-byte numbers (benchmarks/frames.py); prints seconds, log-likelihood, bytes of the data
# frame, peak bytes beyond what the process held before, and what is to be said of it.

arguments <- commandArgs(TRUE)
folder <- arguments[1]
n <- as.numeric(arguments[2])
suppressPackageStartupMessages(library(arguments[3], character.only = TRUE))

files <- list.files(folder, "[.]f64$")
d <- lapply(file.path(folder, files), readBin, what = "double", n = n)
names(d) <- sub("[.]f64$", "", files)
d <- as.data.frame(d)
for (name in intersect(names(d), c("g", "a", "b", "c", "s"))) d[[name]] <- factor(d[[name]])
if ("time" %in% names(d)) d$time <- as.integer(d$time)

kilobytes <- function(entry) {
  line <- grep(paste0("^", entry), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line))
}
counted <- file.exists("/proc/self/status")
invisible(gc())
if (counted) {
  cat("5", file = "/proc/self/clear_refs")
  before <- kilobytes("VmRSS")
}
call <- parse(text = arguments[4])[[1]]
note <- ""
timed <- function() system.time(fit <<- eval(call))[["elapsed"]]
seconds <- tryCatch(timed(), error = function(problem) {
  if (arguments[3] != "nlme") stop(problem)
  # nlme's own advice: its other optimiser
  note <<- paste0("by default nlme stops: ", sub(".*message = ", "", gsub("\n", " ", conditionMessage(problem))))
  call$control <<- quote(lmeControl(opt = "optim"))
  timed()
})
growth <- if (counted) 1024 * (kilobytes("VmHWM") - before) else NA
cat(seconds, format(as.numeric(logLik(fit)), digits = 15), as.numeric(object.size(d)), growth, note, "\n")
