/** Every path that a hub answers, as it was put together: taken down while its routers are built, so that none is forgotten. */
import express from 'express';

export interface Route {
  readonly method: string;
  readonly path: string;
}

interface Layers {
  /** Of routes, and of routers below. */
  readonly entries: { readonly path: string; readonly methods?: Set<string>; readonly below?: object }[];
}

interface RouterPrototype {
  route: (this: object, path: string) => Record<string, (...handlers: unknown[]) => unknown>;
  use: (this: object, ...handlers: unknown[]) => unknown;
}

const methods = ['get', 'post', 'put', 'patch', 'delete', 'all'] as const;
/** What `all` is tried with. */
const tried = ['GET', 'POST', 'PUT', 'DELETE'];

/** Takes down what is routed until `taken` is called. */
export function takeRoutes(): { taken(): Route[] } {
  const prototype = express.Router.prototype as unknown as RouterPrototype;
  const { route, use } = prototype;
  const known = new Map<object, Layers>();
  const below = new Set<object>();
  const layersOf = (router: object): Layers => {
    const found = known.get(router) ?? { entries: [] };
    known.set(router, found);
    return found;
  };
  prototype.route = function routed(this: object, path) {
    const made = route.call(this, path);
    const seen = new Set<string>();
    layersOf(this).entries.push({ path, methods: seen });
    for (const method of methods) {
      const add = made[method];
      made[method] = function added(this: unknown, ...handlers) {
        for (const one of method === 'all' ? tried : [method.toUpperCase()]) seen.add(one);
        return add?.apply(this, handlers);
      };
    }
    return made;
  };
  prototype.use = function used(this: object, ...handlers) {
    const [first] = handlers;
    const path = typeof first === 'string' ? first : '';
    for (const handler of handlers) {
      if (typeof handler !== 'function') continue;
      layersOf(this).entries.push({ path, below: handler });
      below.add(handler);
    }
    return use.apply(this, handlers);
  };
  const walk = (router: object, base: string): Route[] =>
    layersOf(router).entries.flatMap(({ path, methods: seen, below: child }): Route[] => {
      const full = `${base}${path === '/' ? '' : path}`;
      if (child !== undefined) return known.has(child) ? walk(child, full) : [];
      return [...(seen ?? [])].map((method) => ({ method, path: full }));
    });
  return {
    taken: () => {
      Object.assign(prototype, { route, use });
      return [...known.keys()].filter((router) => !below.has(router)).flatMap((router) => walk(router, ''));
    },
  };
}
