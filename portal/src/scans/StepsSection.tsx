import { Code, Table, Text } from '@mantine/core';

import type { Measurement } from '../api/scans';
import { Section } from '../inbox/Section';
import { Headings } from '../shared/Headings';
import { locale, texts } from '../texts/texts';

const t = texts.review.steps;
const SHORT = 10;

/** The steps by which a scan was measured: version, time, what they told, hashes. */
export function StepsSection({ measurement: { steps, tools } }: { measurement: Measurement }) {
  return (
    <Section title={t.title}>
      <Table.ScrollContainer minWidth={480} type="native" role="group" aria-label={t.title} tabIndex={0}>
        <Table className="listing" aria-label={t.title}>
          <Headings names={t.columns} right={['seconds']} />
          <Table.Tbody>
            {steps.map((step) => (
              <Table.Tr key={step.name}>
                <Table.Td>
                  {t.names[step.name] ?? step.name}
                  <Text size="xs" c="dimmed">
                    {t.version(step.version)}
                  </Text>
                </Table.Td>
                <Table.Td ta="right">{step.seconds.toLocaleString(locale)}</Table.Td>
                <Table.Td>
                  {Object.keys(step.facts).length === 0 && <Text size="sm">{t.nothing}</Text>}
                  {Object.entries(step.facts).map(([name, value]) => (
                    <div key={name} className="mono">
                      {`${name} = ${value.toLocaleString(locale, { maximumSignificantDigits: 5 })}`}
                    </div>
                  ))}
                </Table.Td>
                <Table.Td>
                  {[step.inputs, step.outputs].map((hash, index) => (
                    <div key={index}>
                      <Code title={hash}>{hash.slice(0, SHORT)}</Code>
                    </div>
                  ))}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text size="sm" c="dimmed">
        {`${t.tools}: ${Object.entries(tools)
          .map(([name, version]) => `${name} ${version}`)
          .join(', ')}`}
      </Text>
    </Section>
  );
}
