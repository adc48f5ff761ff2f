using Xunit;
using static Millrace.Tests.Storage.FileLog.Simulation.SimulatedFolder;

namespace Millrace.Tests.Storage.FileLog.Simulation;

/// <summary>Files of the journal that somebody has removed. A checkpoint knows how far the journal had come, so that their loss is told, and not begun with less.</summary>
public sealed class MissingFilesTests
{
    private readonly SimulatedFolder _folder = new();

    [Fact]
    public async Task AJournalThatIsGone_IsRefused_AndNothingIsChanged()
    {
        await FillAsync();
        _folder.Disk.DeleteFolder(Path.Combine(Root, "journal"));
        var fault = await AssertRefusedAsync();
        Assert.Contains("'journal' is missing", fault.Message, StringComparison.Ordinal);
        Assert.Contains("move 'checkpoints' away", fault.Message, StringComparison.Ordinal);

        _folder.Disk.DeleteFolder(Path.Combine(Root, "checkpoints"));
        await using var empty = await _folder.OpenAsync();
        await SendAsync(empty, "q", "new");
        Assert.Equal(["new"], await DrainAsync(empty, "q"));
    }

    [Fact]
    public async Task AJournalWithoutItsFiles_IsRefused_AndNothingIsChanged()
    {
        await FillAsync();
        _folder.Segments().ForEach(_folder.Disk.Delete);
        Assert.Contains("missing or cut short", (await AssertRefusedAsync()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AJournalWithoutItsLastFile_IsRefused_AndTheFolderOfTheCheckpointsThatKnowMoreIsNamed()
    {
        await FillAsync();
        _folder.Disk.Delete(_folder.Segments()[^1]);
        var fault = await AssertRefusedAsync();
        Assert.Contains("missing or cut short", fault.Message, StringComparison.Ordinal);
        foreach (var checkpoint in _folder.Disk.ListFolders(Path.Combine(Root, "checkpoints")))
        {
            Assert.Contains($"'{checkpoint}'", fault.Message, StringComparison.Ordinal);
            _folder.Disk.DeleteFolder(Path.Combine(Root, "checkpoints", checkpoint));
        }
    }

    [Fact]
    public async Task AJournalWhoseEndIsDamaged_IsOpened_WithWhatIsBeforeThat()
    {
        await FillAsync();
        var last = _folder.Segments()[^1];
        _folder.Flip(last, 40);
        await (await _folder.OpenAsync()).DisposeAsync();
        await using var again = await _folder.OpenAsync();
        Assert.NotEmpty(await DrainAsync(again, "q"));
    }

    private async Task FillAsync()
    {
        for (var run = 0; run < 2; run++)
        {
            await using var backend = await _folder.OpenAsync();
            for (var i = 0; i < 20; i++)
            {
                await SendAsync(backend, "q", $"{run} {i} {new string('.', 500)}");
            }
        }
    }

    private async Task<StorageCorruptException> AssertRefusedAsync()
    {
        var before = Everything();
        var fault = await Assert.ThrowsAsync<StorageCorruptException>(() => _folder.OpenAsync());
        Assert.Equal(before, Everything());
        return fault;
    }

    // The note of the owner is the only thing that a start writes before it knows.
    private List<string> Everything() => [.. _folder.Files("").Where(file => !file.EndsWith("owner", StringComparison.Ordinal)).Select(file => $"{file} {_folder.Disk.Content(file).Length}")];
}
