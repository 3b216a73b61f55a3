import type { SyntaxNode } from '@lezer/common';

/** One part between the commas of a bracketed list. */
export interface Item {
  readonly start: number;
  readonly end: number;
  readonly nodes: readonly SyntaxNode[];
}

/** The parts between the commas of a bracketed list. */
export function itemsOf(list: SyntaxNode): Item[] {
  const items: Item[] = [];
  let nodes: SyntaxNode[] = [];
  const flush = (): void => {
    const first = nodes[0];
    const last = nodes.at(-1);
    if (first !== undefined && last !== undefined) items.push({ start: first.from, end: last.to, nodes });
    nodes = [];
  };
  for (const child of childrenOf(list)) {
    if (child.name === ',') flush();
    else if (!/^[()[\]{}]$/.test(child.name) && child.name !== 'Comment') nodes.push(child);
  }
  flush();
  return items;
}

export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return children;
}
