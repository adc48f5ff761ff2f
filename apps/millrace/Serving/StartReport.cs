using System.Globalization;
using System.Reflection;
using Millrace.App.Output;
using Millrace.Server;
using Millrace.Server.Configuration;
using Millrace.Server.Instances;

namespace Millrace.App.Serving;

/// <summary>What <c>millrace serve</c> prints when it is ready: where everything is, and what one should know of it.</summary>
internal static class StartReport
{
    private const int LabelWidth = 10;

    public static void Write(OutputWriter output, MillraceServer server, ServedInstances instances, ServerConfiguration configuration, TimeSpan startTime)
    {
        if (output.IsJson)
        {
            WriteJson(output, server, instances, configuration, startTime);
        }
        else
        {
            WriteText(output, server, instances, configuration, startTime);
        }

        output.Flush();
    }

    private static void WriteText(OutputWriter output, MillraceServer server, ServedInstances instances, ServerConfiguration configuration, TimeSpan startTime)
    {
        output.WriteLine($"millrace {Version}");
        foreach (var instance in instances.All)
        {
            foreach (var (url, shapes) in instance.Stores)
            {
                Line(output, instance.Name, $"{url} ({string.Join(", ", shapes)}){Remark(instance, url, configuration)}");
            }
        }

        foreach (var address in server.Addresses)
        {
            Line(output, "listens", address);
        }

        Line(output, "users", configuration.Settings.Options.Security.UsersFile is { } file
            ? $"those of {file}"
            : "none: whoever is on this machine may do everything, and nobody can connect from elsewhere");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ready in {startTime.TotalMilliseconds:0} ms"));
    }

    private static string Remark(ServedInstance instance, string url, ServerConfiguration configuration)
    {
        if (instance.HasPairedChannels && url == ServedInstance.PairedChannelUrl)
        {
            return ": the store has no channels, so they live in this process and do not reach other nodes";
        }

        var durability = instance.Durability is { } survives ? $", durability {survives.ToString().ToLowerInvariant()}" : "";
        return durability + (configuration.UsesDefaultStore ? DescribeDefault() : "");
    }

    private static string DescribeDefault() => DefaultStore.KeepsSqlite
        ? $"; found, and kept. New nodes keep their store in files, which is faster: stop this one, then {MigrateCommand}"
        : "; name another one with --url";

    private static void WriteJson(OutputWriter output, MillraceServer server, ServedInstances instances, ServerConfiguration configuration, TimeSpan startTime) => output.WriteObject(json =>
    {
        json.WriteString("event", "ready");
        json.WriteString("version", Version);
        json.WriteStartArray("addresses");
        foreach (var address in server.Addresses)
        {
            json.WriteStringValue(address);
        }

        json.WriteEndArray();
        json.WriteStartArray("instances");
        foreach (var instance in instances.All)
        {
            json.WriteStartObject();
            json.WriteString("name", instance.Name);
            json.WriteString("durability", instance.Durability?.ToString().ToLowerInvariant());
            json.WriteStartObject("stores");
            foreach (var (url, shapes) in instance.Stores)
            {
                json.WriteStartArray(url);
                foreach (var shape in shapes)
                {
                    json.WriteStringValue(shape);
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNumber("startMs", (long)startTime.TotalMilliseconds);
        if (configuration.UsesDefaultStore && DefaultStore.KeepsSqlite)
        {
            json.WriteString("migrateCommand", MigrateCommand);
        }
    });

    private static string MigrateCommand => $"millrace migrate --from {DefaultStore.SqliteUrl} --to {DefaultStore.FilesUrl}";

    private static string Version => typeof(StartReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static void Line(OutputWriter output, string label, string text) => output.WriteLine($"  {label.PadRight(LabelWidth)} {text}");
}
