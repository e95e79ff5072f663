//! Runs granted commands: no shell, scrubbed environment, dies with the job.
