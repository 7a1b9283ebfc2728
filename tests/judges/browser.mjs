// Pages in Chromium: axe-core's serious findings and sideways scrolling as a JSON list; screenshots beside the pages.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, ...files] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
const widths = [320, 375, 600, 1000];
const found = [];

async function look(args, ways) {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", ...args] });
  const page = await browser.newPage();
  page.on("request", request => request.url().startsWith("http") && found.push(`asked for ${request.url()}`));
  for (const file of files) {
    await page.goto(pathToFileURL(file).href);
    for (const [scheme, width, suffix] of ways) await see(page, file, scheme, width, suffix);
  }
  await browser.close();
}

async function see(page, file, scheme, width, suffix) {
  await page.emulateMedia({ colorScheme: scheme });
  await page.setViewportSize({ width, height: 900 });
  const name = file.replace(/\.html$/, `-${width}-${suffix}.png`);
  await page.screenshot({ path: name, fullPage: true });
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
  if (wide > width) found.push(`${name}: scrolls sideways, ${wide} px wide`);
  if (width !== 375) return;
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  for (const { id, impact, help, nodes } of violations) {
    if (["serious", "critical"].includes(impact)) found.push(`${name}: ${id}: ${help}: ${nodes[0].html.slice(0, 200)}`);
  }
}

await look([], widths.flatMap(width => [["light", width, "light"], ["dark", width, "dark"]]));
await look(["--blink-settings=imagesEnabled=false"], [["light", 600, "no-images"]]);
console.log(JSON.stringify(found));
