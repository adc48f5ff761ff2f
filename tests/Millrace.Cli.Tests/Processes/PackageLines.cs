using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Millrace.Cli.Tests.Processes;

/// <summary>
/// JSON lines made from a real source: the packages that this machine's package manager knows of (<c>apt-cache dumpavail</c>), or where it has no lists those that are
/// installed, or where there is no Debian the files of the .NET runtime. Numbered, and repeated under new numbers until there are enough.
/// </summary>
internal static class PackageLines
{
    private const string InstalledPackages = "/var/lib/dpkg/status";
    private const int FewestStanzas = 20;

    private static readonly string[] Fields = ["Package", "Version", "Section", "Architecture", "Size", "Maintainer", "Description", "SHA256"];
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes so many lines, with ids from 00000000.</summary>
    /// <returns>What the source was.</returns>
    public static async Task<string> WriteAsync(string file, int count, CancellationToken cancellationToken)
    {
        var (source, stanzas) = await ReadSourceAsync(cancellationToken);
        await using var output = File.Create(file);
        for (var i = 0; i < count; i++)
        {
            await using (var json = new Utf8JsonWriter(output, WriterOptions))
            {
                json.WriteStartObject();
                json.WriteString("id", i.ToString("D8", CultureInfo.InvariantCulture));
                foreach (var (name, value) in stanzas[i % stanzas.Count])
                {
                    json.WriteString(name, value);
                }

                json.WriteEndObject();
            }

            output.WriteByte((byte)'\n');
        }

        return $"{source} ({stanzas.Count} stanzas)";
    }

    private static async Task<(string Source, List<List<(string Name, string Value)>> Stanzas)> ReadSourceAsync(CancellationToken cancellationToken)
    {
        if (File.Exists("/usr/bin/apt-cache"))
        {
            await using var apt = RunningProcess.Start("/", "/usr/bin/apt-cache", ["dumpavail"]);
            var stanzas = Parse((await apt.FinishAsync()).Output.Split('\n'));
            if (stanzas.Count >= FewestStanzas)
            {
                return ("apt-cache dumpavail", stanzas);
            }
        }

        if (File.Exists(InstalledPackages))
        {
            return (InstalledPackages, Parse(await File.ReadAllLinesAsync(InstalledPackages, cancellationToken)));
        }

        var runtime = new DirectoryInfo(Path.GetDirectoryName(typeof(object).Assembly.Location)!);
        return (runtime.FullName, [.. runtime.GetFiles().OrderBy(file => file.Name, StringComparer.Ordinal).Select(
            file => new List<(string, string)> { ("package", file.Name), ("size", file.Length.ToString(CultureInfo.InvariantCulture)) })]);
    }

    private static List<List<(string Name, string Value)>> Parse(string[] lines)
    {
        var stanzas = new List<List<(string, string)>>();
        var stanza = new List<(string, string)>();
        foreach (var line in lines.Append(""))
        {
            var colon = line.IndexOf(": ", StringComparison.Ordinal);
            if (line.Length == 0 && stanza.Count > 0)
            {
                stanzas.Add(stanza);
                stanza = [];
            }
            else if (colon > 0 && !line.StartsWith(' ') && Fields.Contains(line[..colon]))
            {
                stanza.Add((char.ToLowerInvariant(line[0]) + line[1..colon], line[(colon + 2)..]));
            }
        }

        return stanzas;
    }
}
