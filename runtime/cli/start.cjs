#!/usr/bin/env node
// biome-ignore-all lint: an old Node must be able to read this file.
// Where every process of mlpipe begins. Plain old JavaScript, so that a Node that is too old can still read it and say
// so, before anything native loads: better-sqlite3 does not fail on such a Node, it crashes it.
'use strict';

var floor = require('../node-floor.cjs');

if (!floor.checkNode()) {
  process.exitCode = 2;
} else {
  var path = require('path');
  var fs = require('fs');
  var bundle = path.join(__dirname, '..', '..', 'dist', 'cli.cjs');
  if (fs.existsSync(bundle)) {
    var nodeModule = require('module');
    if (nodeModule.enableCompileCache) nodeModule.enableCompileCache();
    require(bundle);
  } else {
    process.stderr.write(
      'mlpipe: it has not been built yet.\n  Next: run `npm install` and `npm run build` in ' +
        path.resolve(__dirname, '..', '..') +
        '.\n',
    );
    process.exitCode = 2;
  }
}
