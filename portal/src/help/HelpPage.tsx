import { Alert, Anchor, Button, Kbd, NavLink as Choice, Tabs, Text, TextInput, Title } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router';

import { Loading } from '../shared/Loading';
import { texts } from '../texts/texts';
import { beginTour } from './tour-state';

const t = texts.help;
const DocumentView = lazy(() => import('./DocumentView'));
const PARTS = ['start', 'keys', 'words', 'documents'] as const;
type Name = keyof typeof t.documents;
const DOCUMENTS = Object.keys(t.documents) as Name[];

/** How to work with the portal: the tour, the keys, the words, the documentation. */
export function HelpPage() {
  const [query, setQuery] = useSearchParams();
  const part = PARTS.find((known) => known === query.get('part')) ?? 'start';
  return (
    <div className="page">
      <title>{`${t.title} · ${texts.brand}`}</title>
      <Title order={1} fz="1.5rem" mb="md">
        {t.title}
      </Title>
      <Tabs value={part} onChange={(chosen) => setQuery({ part: chosen ?? 'start' })} keepMounted={false}>
        <Tabs.List aria-label={t.sections} mb="lg">
          {PARTS.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t.parts[name]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="start">
          <Start />
        </Tabs.Panel>
        <Tabs.Panel value="keys">
          <Keys />
        </Tabs.Panel>
        <Tabs.Panel value="words">
          <Glossary />
        </Tabs.Panel>
        <Tabs.Panel value="documents">
          <Documents
            name={DOCUMENTS.find((known) => known === query.get('page')) ?? 'researcher'}
            onChoose={(page) => setQuery({ part: 'documents', page })}
          />
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function Start() {
  const navigate = useNavigate();
  return (
    <>
      <ol className="steps">
        {texts.workspace.steps.map(([title, text]) => (
          <li key={title}>
            <Text fw={620}>{title}</Text>
            <Text size="sm" c="dimmed">
              {text}
            </Text>
          </li>
        ))}
      </ol>
      <Button
        mt="lg"
        onClick={() => {
          beginTour();
          void navigate('/');
        }}
      >
        {t.tour.start}
      </Button>
    </>
  );
}

function Keys() {
  return (
    <>
      <Text size="sm" c="dimmed" mb="md">
        {t.keysHint}
      </Text>
      {t.keys.map(([place, keys]) => (
        <section key={place} aria-label={place}>
          <Title order={2} fz="md" mt="md" mb="xs">
            {place}
          </Title>
          <dl className="facts">
            {keys.map(([key, does]) => (
              <div key={key} className="key">
                <dt>
                  <Kbd>{key}</Kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </>
  );
}

function Glossary() {
  const [search, setSearch] = useState('');
  const words = search.toLowerCase().split(/\s+/);
  const found = t.words.filter((entry) => words.every((word) => entry.join(' ').toLowerCase().includes(word)));
  return (
    <>
      <TextInput
        label={t.searchWords}
        value={search}
        maw="24rem"
        mb="md"
        onChange={(event) => setSearch(event.currentTarget.value)}
      />
      <dl className="glossary">
        {found.map(([word, meaning]) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      {found.length === 0 && <Alert color="gray">{t.noWord}</Alert>}
    </>
  );
}

function Documents({ name, onChoose }: { name: Name; onChoose: (name: Name) => void }) {
  return (
    <div className="documents">
      <nav aria-label={t.parts.documents}>
        {DOCUMENTS.map((known) => (
          <Choice
            key={known}
            component="button"
            active={known === name}
            aria-current={known === name ? 'page' : undefined}
            label={t.documents[known]}
            onClick={() => onChoose(known)}
          />
        ))}
        <Text size="xs" c="dimmed" mt="sm">
          {t.documentsHint}{' '}
          <Anchor href="/api/docs" underline="always" size="xs">
            /api/docs
          </Anchor>
        </Text>
      </nav>
      <Suspense fallback={<Loading lines={12} />}>
        <DocumentView name={name} onChoose={(page) => DOCUMENTS.some((known) => known === page) && onChoose(page as Name)} />
      </Suspense>
    </div>
  );
}
