/** Mocha's `spec` output without the passing lines, and the counts in a file for the caller to add up. */
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class CountingReporter extends reporters.Base {
  constructor(runner, options) {
    super(runner, options);
    runner.on('fail', (test, error) => {
      process.stdout.write(`\n  ✗ ${test.fullTitle()}\n    ${String(error?.message ?? error).split('\n')[0]}\n`);
    });
    runner.on('pending', (test) => {
      process.stdout.write(`\n  – not run: ${test.fullTitle()}\n`);
    });
    runner.on('pass', (test) => {
      process.stdout.write(
        test.duration > 2000 ? `\n  slow: ${test.fullTitle()} (${(test.duration / 1000).toFixed(1)} s)\n` : '.',
      );
    });
    runner.once('end', () => {
      this.epilogue();
      const file = process.env.MLPIPE_TEST_COUNTS;
      if (file) {
        const { passes, failures, pending } = this.stats;
        writeFileSync(file, JSON.stringify({ passed: passes, failed: failures, skipped: pending }));
      }
    });
  }
};
