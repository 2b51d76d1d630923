/**
 * Loaded before a hub (`--import`): the same hub with nobody asked and nothing recorded, to learn what asking and recording
 * costs. Where the hub imports its predicate, its trail or its authenticator, the loader gives it those of `ungated/`. The
 * product has no switch for this, and must not get one.
 *
 * @see https://nodejs.org/api/module.html#customization-hooks
 */
import { registerHooks } from 'node:module';

/** Only some of them, to learn the share of each. */
const without = (process.env['BENCH_WITHOUT'] ?? 'audit,predicate,token').split(',');
const replaced = new Map(
  without.map((name) => [
    new URL(`../../src/access/${name}/${name}.ts`, import.meta.url).href,
    new URL(`./ungated/${name}.ts`, import.meta.url).href,
  ]),
);

registerHooks({
  resolve: (specifier, context, nextResolve) => {
    const found = nextResolve(specifier, context);
    const instead = replaced.get(found.url);
    // What stands in its place imports the rest of it.
    return instead === undefined || context.parentURL === instead ? found : { ...found, url: instead };
  },
});
