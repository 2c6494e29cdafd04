// biome-ignore-all lint: an old Node must be able to read this file.
// Says so when the running Node is too old, before anything native loads. Plain old JavaScript on purpose: a syntax
// that an old Node cannot read would hide the message. Every entry point asks this first.
'use strict';

/** The oldest Node that can do everything: better-sqlite3 needs its Node-API 10. */
var FLOOR = '22.14.0';

function isOlder(version, floor) {
  var have = version.split('.');
  var want = floor.split('.');
  for (var index = 0; index < 3; index += 1) {
    var difference = parseInt(have[index], 10) - parseInt(want[index], 10);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Why this Node cannot run mlpipe, or null where it can. */
function unsupportedNode() {
  var version = process.version.replace(/^v/, '');
  if (!isOlder(version, FLOOR)) return null;
  return (
    'mlpipe needs Node ' +
    FLOOR.replace(/\.0$/, '') +
    ' or newer; this is Node ' +
    version +
    ' (' +
    process.execPath +
    ').\n' +
    '  Next: install a newer Node from https://nodejs.org, or start mlpipe with one: `/path/to/node ' +
    (process.argv[1] || 'mlpipe') +
    '`.\n'
  );
}

/** Writes the reason to stderr and answers false where this Node is too old. */
function checkNode() {
  var reason = unsupportedNode();
  if (reason === null) return true;
  process.stderr.write(reason);
  return false;
}

module.exports = { FLOOR: FLOOR, checkNode: checkNode, unsupportedNode: unsupportedNode };
