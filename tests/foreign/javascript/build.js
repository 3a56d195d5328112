// Makes a component of a module: node build.js SOURCE WIT WORLD COMPONENT

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const [sourcePath, witPath, worldName, to] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName,
  // With both, the component would import and export interfaces of HTTP.
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile(to, component);
