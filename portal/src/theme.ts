import { createTheme, type CSSVariablesResolver, type MantineColorsTuple, Modal, TableScrollContainer } from '@mantine/core';

import { texts } from './texts/texts';

const teal: MantineColorsTuple = [
  '#e6f5f6', '#d2e8ea', '#a3d0d5', '#70b7bf', '#48a2ac', '#2e95a1', '#1d8f9c', '#0b7c88', '#0b5d6b', '#004e5a',
];
const dark: MantineColorsTuple = [
  '#dbe4e6', '#b4c1c4', '#94a4a8', '#6c7c80', '#465459', '#344146', '#2a363a', '#1b2427', '#151c1f', '#0f1517',
];
const font = "'Inter Variable', system-ui, sans-serif";

export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: { light: 8, dark: 7 },
  colors: { teal, dark },
  fontFamily: font,
  headings: { fontFamily: font, fontWeight: '620' },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  focusRing: 'auto',
  components: {
    Modal: Modal.extend({ defaultProps: { closeButtonProps: { 'aria-label': texts.close } } }),
    // A table wider than its place is scrolled by arrow keys once it has the focus.
    TableScrollContainer: TableScrollContainer.extend({
      defaultProps: { scrollAreaProps: { viewportProps: { tabIndex: 0 } } },
    }),
  },
});

/** Quiet text, links by night, and text on red, that still have the contrast of WCAG AA on every background here. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: { '--mantine-color-dimmed': '#56666b', '--mantine-color-placeholder': '#6d7c81' },
  dark: {
    '--mantine-color-dimmed': '#9fb0b4',
    '--mantine-color-placeholder': '#7f9095',
    '--mantine-color-anchor': '#70b7bf',
    '--mantine-color-red-filled': '#c92a2a',
    '--mantine-color-red-filled-hover': '#b02525',
  },
});
