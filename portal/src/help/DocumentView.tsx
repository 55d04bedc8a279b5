import { Anchor, Table } from '@mantine/core';
import { isValidElement, type ReactNode } from 'react';
import Markdown, { type Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';

import { pages } from './pages';

/** One page of the documentation; what it links to outside of these pages is told as plain text. */
export default function DocumentView({ name, onChoose }: { name: string; onChoose: (name: string) => void }) {
  return (
    <article className="document">
      <Markdown remarkPlugins={[remarkGfm]} components={componentsOf(onChoose)}>
        {pages[name] ?? ''}
      </Markdown>
    </article>
  );
}

function componentsOf(onChoose: (name: string) => void): Components {
  return {
    a: ({ href = '', children }) => {
      const page = /^([a-z-]+)\.md/.exec(href)?.[1];
      if (page && page in pages) {
        return (
          <Anchor component="button" type="button" underline="always" fz="inherit" onClick={() => onChoose(page)}>
            {children}
          </Anchor>
        );
      }
      return href.startsWith('#') ? (
        <Anchor href={href} underline="always" fz="inherit">
          {children}
        </Anchor>
      ) : (
        <>{children}</>
      );
    },
    h1: ({ children }) => <h2>{children}</h2>,
    h2: ({ children }) => <h3 id={idOf(children)}>{children}</h3>,
    h3: ({ children }) => <h4 id={idOf(children)}>{children}</h4>,
    table: ({ children }) => (
      <Table.ScrollContainer minWidth={320}>
        <Table>{children}</Table>
      </Table.ScrollContainer>
    ),
    th: ({ children }) => (children === undefined ? <td /> : <th scope="col">{children}</th>),
    pre: ({ children }) => (
      // What scrolls can be reached by the keyboard.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      <pre className="code written" tabIndex={0}>
        {children}
      </pre>
    ),
    img: () => null,
  };
}

/** A heading's place, as the documentation's own links name it. */
function idOf(children: ReactNode): string {
  return textOf(children)
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .trim()
    .replace(/\s+/g, '-');
}

function textOf(node: ReactNode): string {
  if (Array.isArray(node)) return node.map(textOf).join('');
  if (isValidElement<{ children?: ReactNode }>(node)) return textOf(node.props.children);
  return typeof node === 'string' || typeof node === 'number' ? String(node) : '';
}
